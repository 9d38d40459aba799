"""Every docstring opens with a verb or with the noun that the thing is."""

import ast
import re
from collections.abc import Iterator

import pytest

from shared.settings import ROOT

OPENINGS = {"What", "How", "Whose", "Whether", "Those", "Where", "Why", "Which", "When", "Who"}
FOLDERS = ("producer", "consumers", "shared", "infra", "benchmarks", "examples", "tests")
FILES = sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))


def docstrings(source: str) -> Iterator[tuple[int, str]]:
    """Yield the line and the text of each docstring of modules, classes and functions."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            text = ast.get_docstring(node)
            if text is not None:
                yield node.body[0].lineno, text


def faults(source: str) -> list[str]:
    return [f"line {line}: {text[:60]}" for line, text in docstrings(source) if _first_word(text) in OPENINGS]


def _first_word(text: str) -> str:
    match = re.match(r"[A-Za-z]+", text)
    return match[0].capitalize() if match else ""


def test_no_docstring_opens_with_a_question_word() -> None:
    found = {str(path.relative_to(ROOT)): faults(path.read_text()) for path in FILES}
    assert {path: lines for path, lines in found.items() if lines} == {}


@pytest.mark.parametrize(
    ("text", "is_fault"),
    [("Return the price.", False), ("What the price is.", True), ("Whichever comes first.", False), ("where", True)],
)
def test_the_first_word_decides(text: str, is_fault: bool) -> None:
    for source in (f'"""{text}"""', f'class A:\n    """{text}"""', f'async def a():\n    """{text}"""'):
        assert bool(faults(source)) is is_fault
