"""Lines of tables and keys in TOML, which `tomllib` does not tell. They say where a fault is."""

import re
import tomllib
from collections.abc import Iterator
from functools import cached_property
from typing import NamedTuple

_SYNTAX = re.compile(r"(.*) \(at (?:line (\d+), column \d+|end of document)\)", re.DOTALL)
_HEADER = re.compile(r"\s*\[\[?\s*['\"]?([\w.-]+)['\"]?\s*\]")
_KEY = re.compile(r"\s*['\"]?([\w-]+)['\"]?\s*[=.]")


class Statement(NamedTuple):
    """A key, or a header without one, and its line, from 1. `number` counts the tables of a name, from 0."""

    line: int
    table: str
    number: int
    key: str


class TomlLines:
    """The lines of a text that is valid TOML, which are looked for when the first is asked for."""

    def __init__(self, text: str) -> None:
        self._text = text

    def of_table(self, table: str, number: int) -> int:
        """Return the line of the `[[table]]` of this number, from 0; without headers, of the key with the tables."""
        return self._lines.get((table, number, "")) or self.of_top_level(table)

    def of_key(self, table: str, number: int, key: str) -> int:
        """Return the line of a key in a table, or that of the table."""
        return self._lines.get((table, number, key)) or self.of_table(table, number)

    def of_top_level(self, name: str) -> int:
        """Return the line of a key or a table outside the tables, or 1."""
        return self._lines.get(("", 0, name)) or self._lines.get((name, 0, "")) or 1

    @cached_property
    def _lines(self) -> dict[tuple[str, int, str], int]:
        found: dict[tuple[str, int, str], int] = {}
        for each in _statements(self._text):
            found.setdefault((each.table, each.number, each.key), each.line)
        return found


def split_syntax_error(error: tomllib.TOMLDecodeError, text: str) -> tuple[int, str]:
    """Return the line of a syntax error, from 1, and its description without the place."""
    match = _SYNTAX.fullmatch(str(error))
    if match is None:
        return 1, str(error)
    line = int(match[2]) if match[2] else max(1, len(text.splitlines()))
    return line, match[1][:1].lower() + match[1][1:]


def _statements(text: str) -> Iterator[Statement]:
    lines = text.split("\n")
    start, table = 0, ""
    counts: dict[str, int] = {}
    for at, line in enumerate(lines):
        header, key = _HEADER.match(line), _KEY.match(line)
        # A line in a string or an array of several lines only looks like a statement: the text before is incomplete.
        if not (header or key) or not _is_toml("\n".join(lines[start:at])):
            continue
        start = at
        if header:
            table = header[1]
            counts[table] = counts.get(table, -1) + 1
        yield Statement(at + 1, table, counts.get(table, 0), key[1] if key and not header else "")


def _is_toml(text: str) -> bool:
    try:
        tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return False
    return True
