"""The files that docs/files.md shows, read by the commands that it gives."""

import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from infra.cli import cli
from shared.settings import ROOT
from tests.documents import blocks

PAGE = ROOT / "docs" / "files.md"
_COMMAND = "`./stockwire replay "


def examples() -> list[tuple[str, str]]:
    """Return the text of each file on the page, and the arguments of the command below it."""
    lines = PAGE.read_text().splitlines()
    found = []
    for block in blocks(PAGE):
        if block.line > lines.index("## Examples"):
            below = next(line for line in lines[block.line :] if line.startswith(_COMMAND))
            found.append((block.text, below.removeprefix(_COMMAND).rstrip("`")))
    return found


@pytest.mark.parametrize(("text", "arguments"), examples(), ids=lambda each: each[:30])
def test_an_example_is_read_by_its_command(
    text: str, arguments: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, *options = shlex.split(arguments)
    monkeypatch.chdir(tmp_path)
    (tmp_path / name).write_text(text)
    done = CliRunner().invoke(cli, ["replay", name, *options, "--check"], prog_name="stockwire")
    assert done.exit_code == 0, done.output
    assert "refused: 0" in done.output


def test_every_known_source_has_an_example() -> None:
    assert len(examples()) >= 12


def test_the_sample_of_real_prices_is_whole() -> None:
    done = CliRunner().invoke(cli, ["replay", str(ROOT / "examples" / "prices.csv"), "--check"])
    assert done.exit_code == 0, done.output
    assert "rows that would be read: 4155, refused: 0" in done.output
