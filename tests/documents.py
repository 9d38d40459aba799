"""The project's documentation as tests read it: pages, code blocks, inline code and links."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

from shared.settings import ROOT

README = ROOT / "README.md"
PAGES = [README, *sorted((ROOT / "docs").glob("*.md"))]

_COMMENT = re.compile(r"<!--\s*(.*?)\s*-->")


@dataclass(frozen=True)
class Block:
    """A fenced code block; `line` is the line of its fence, `comment` the HTML comment above it.

    `sample` is the block of text below a block of commands: a part of what the commands print.
    """

    page: Path
    line: int
    language: str
    text: str
    comment: str = ""
    sample: str = ""

    @property
    def place(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"

    def commands(self) -> list[str]:
        """Return the commands of a shell block without their comments."""
        lines = self.text.replace("\\\n", " ").splitlines()
        bare = (re.sub(r"(^|\s+)#\s.*", "", line).strip() for line in lines)
        return [line for line in bare if line]


def blocks(page: Path) -> list[Block]:
    found: list[Block] = []
    comment = ""
    previous: Token | None = None
    for token in _tokens(page):
        if token.type == "fence":
            follows_commands = previous is not None and previous.type == "fence" and previous.info == "sh"
            if follows_commands and token.info == "text" and not comment:
                found[-1] = _with_sample(found[-1], token.content)
            assert token.map
            found.append(Block(page, token.map[0] + 1, token.info, token.content, comment))
        match = _COMMENT.fullmatch(token.content.strip()) if token.type == "html_block" else None
        comment = match[1] if match else ""
        previous = token
    return found


def headings(page: Path) -> list[str]:
    tokens = _tokens(page)
    return [after.content for token, after in pairwise(tokens) if token.type == "heading_open"]


def anchors(page: Path) -> set[str]:
    """Return the anchors that GitHub gives to the headings of a page."""
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings(page)}


def links(page: Path) -> Iterator[str]:
    for token in _inline(page):
        if token.type == "link_open":
            yield str(token.attrs["href"])


def inline_code(page: Path) -> Iterator[str]:
    for token in _inline(page):
        if token.type == "code_inline":
            yield token.content


def sections(page: Path) -> dict[str, str]:
    """Return the text under each heading, up to the next heading of any level."""
    found: dict[str, str] = {}
    lines = page.read_text().splitlines()
    starts = [(token.map, heading) for token, heading in _headings_with_lines(page)]
    for number, (position, heading) in enumerate(starts):
        end = starts[number + 1][0][0] if number + 1 < len(starts) else len(lines)
        found[heading] = "\n".join(lines[position[1] : end])
    return found


def _headings_with_lines(page: Path) -> Iterator[tuple[Token, str]]:
    tokens = _tokens(page)
    for token, after in pairwise(tokens):
        if token.type == "heading_open":
            yield token, after.content


def _tokens(page: Path) -> list[Token]:
    return MarkdownIt().enable("table").parse(page.read_text())


def _inline(page: Path) -> Iterator[Token]:
    for token in _tokens(page):
        yield from token.children or ()


def _with_sample(block: Block, sample: str) -> Block:
    return Block(block.page, block.line, block.language, block.text, block.comment, sample)
