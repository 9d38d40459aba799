"""Lint, format and types of the whole tree, so that `./stockwire test` runs every check."""

import subprocess
import sys
from pathlib import Path

import pytest

from shared.settings import ROOT

TOOLS = Path(sys.executable).parent

CHECKS = {
    "lint": ["ruff", "check", "--no-cache", "--output-format=concise", "."],
    "format": ["ruff", "format", "--no-cache", "--check", "."],
    "types": ["mypy", "--no-error-summary"],
}


@pytest.mark.parametrize("words", CHECKS.values(), ids=CHECKS)
def test_the_code_passes(words: list[str]) -> None:
    tool, *arguments = words
    done = subprocess.run([TOOLS / tool, *arguments], cwd=ROOT, check=False, capture_output=True, text=True)
    if done.returncode:
        pytest.fail(f"{' '.join(words[:2])}:\n{done.stdout}{done.stderr}", pytrace=False)
