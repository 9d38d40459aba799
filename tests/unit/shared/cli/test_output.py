import csv
import io
import json
import os
import pty
import subprocess
import sys
from typing import Any

import pytest

from shared.cli.output import Format, error_line, print_coloured, print_lines, print_rows
from shared.settings import ROOT

COLUMNS = ["symbol", "price", "note"]
ROWS: list[dict[str, Any]] = [
    {"symbol": "AAPL", "price": "187.44", "note": None},
    {"symbol": "BRK.B", "price": "412.5", "note": 'a "b", c', "unasked": 1},
    {"symbol": "^GSPC", "price": "5917.11"},
]


def test_json_is_one_array_with_one_row_per_line(capsys: pytest.CaptureFixture[str]) -> None:
    print_rows(COLUMNS, ROWS, Format.JSON)
    printed = capsys.readouterr().out
    assert json.loads(printed) == [
        {"symbol": "AAPL", "price": "187.44", "note": None},
        {"symbol": "BRK.B", "price": "412.5", "note": 'a "b", c'},
        {"symbol": "^GSPC", "price": "5917.11", "note": None},
    ]
    assert len(printed.splitlines()) == len(ROWS) + 2


def test_json_without_rows_is_an_empty_array(capsys: pytest.CaptureFixture[str]) -> None:
    print_rows(COLUMNS, [], Format.JSON)
    assert json.loads(capsys.readouterr().out) == []


def test_csv_has_a_header_and_reads_back(capsys: pytest.CaptureFixture[str]) -> None:
    print_rows(COLUMNS, ROWS, Format.CSV)
    assert list(csv.reader(io.StringIO(capsys.readouterr().out))) == [
        COLUMNS,
        ["AAPL", "187.44", ""],
        ["BRK.B", "412.5", 'a "b", c'],
        ["^GSPC", "5917.11", ""],
    ]


def test_csv_without_rows_is_the_header(capsys: pytest.CaptureFixture[str]) -> None:
    print_rows(COLUMNS, [], Format.CSV)
    assert capsys.readouterr().out == "symbol,price,note\n"


def test_a_table_in_a_pipe_is_aligned_plain_text(capsys: pytest.CaptureFixture[str]) -> None:
    print_rows(COLUMNS, ROWS, right=["price"])
    assert capsys.readouterr().out.splitlines() == [
        "symbol    price  note",
        "AAPL     187.44",
        'BRK.B     412.5  a "b", c',
        "^GSPC   5917.11",
    ]


def test_a_table_without_rows_is_a_sentence_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    print_rows(COLUMNS, [], empty="no prices yet")
    assert capsys.readouterr() == ("", "no prices yet\n")


def test_rows_may_come_from_a_generator(capsys: pytest.CaptureFixture[str]) -> None:
    for output in Format:
        print_rows(COLUMNS, (row for row in ROWS), output)
        assert "5917.11" in capsys.readouterr().out


HOSTILE = "=1\x1b[31m\n\u202e"


@pytest.mark.parametrize("output", Format)
def test_no_format_prints_the_control_characters_of_a_cell(output: Format, capsys: pytest.CaptureFixture[str]) -> None:
    print_rows(["price", "note"], [{"price": "1", "note": HOSTILE}], output, right=["price"])
    printed = capsys.readouterr().out
    assert printed.replace("\n", "").isprintable()
    assert len(printed.splitlines()) == (3 if output is Format.JSON else 2)
    if output is Format.JSON:
        assert json.loads(printed)[0]["note"] == HOSTILE


def test_text_in_csv_never_starts_a_formula_and_numbers_stay_numbers(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [{"price": "-1.5", "volume": -7, "note": "-1.5"}, {"price": "2", "volume": 2, "note": "=HYPERLINK(A1)"}]
    print_rows(["price", "volume", "note"], rows, Format.CSV, right=["price", "volume"])
    assert capsys.readouterr().out == "price,volume,note\n-1.5,-7,'-1.5\n2,2,'=HYPERLINK(A1)\n"


def test_lines_and_errors_are_escaped(capsys: pytest.CaptureFixture[str]) -> None:
    print_lines("a\nb", "\x1b[2J")
    print_lines("to stderr \x07", error=True)
    print_coloured("FAULT\x9b", " \u2066", colour="red")
    assert capsys.readouterr() == ("a\\nb\n\\x1b[2J\nFAULT\\x9b \\u2066\n", "to stderr \\x07\n")
    assert error_line(ValueError("one\n two \x1b[31m")) == r"stockwire: one two \x1b[31m"


def test_a_terminal_shows_cells_as_they_are() -> None:
    """Markup and emoji codes in cells, such as the names of rules, are not for rich."""
    cells = ["[bold]x[/bold]", "[/red]", "SBIN:NSE:X", ":fire:", "[link=http://a]b[/link]"]
    program = (
        "from shared.cli.output import print_rows\n"
        f"print_rows(['symbol', '[b]note'], [{{'symbol': cell, '[b]note': '1'}} for cell in {cells!r}])"
    )
    output = on_a_terminal(program)
    for text in [*cells, "[b]note"]:
        assert text in output


def test_a_terminal_gets_no_control_character_of_a_cell() -> None:
    program = f"from shared.cli.output import print_rows\nprint_rows(['note'], [{{'note': {HOSTILE!r}}}])"
    output = on_a_terminal(program)
    assert r"=1\x1b[31m\n\u202e" in output
    assert "\x1b[31m" not in output
    assert "\u202e" not in output


def on_a_terminal(program: str) -> str:
    """Return the output of a Python program whose standard output is a terminal."""
    try:
        ours, theirs = pty.openpty()
    except OSError as error:
        pytest.skip(f"this machine has no pseudo-terminals: {error}")
    environment = {"PATH": os.environ["PATH"], "TERM": "dumb", "COLUMNS": "100", "LANG": "C.UTF-8"}
    done = subprocess.Popen([sys.executable, "-c", program], stdout=theirs, cwd=ROOT, env=environment)
    os.close(theirs)
    printed = b""
    try:
        while chunk := os.read(ours, 4096):
            printed += chunk
    except OSError:
        pass  # Linux reports the other end's close as an error.
    finally:
        os.close(ours)
    assert done.wait(30) == 0
    return printed.decode()
