"""Print lines, and rows: a table on a terminal, aligned text in a pipe, or CSV or JSON on request.

All output of the commands and consumers goes through this module, which escapes text from outside.
"""

import csv
import json
import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from typing import Any

from shared.cli.escaping import escape, escape_cell, escape_json


class Format(StrEnum):
    TABLE = "table"
    CSV = "csv"
    JSON = "json"


def print_lines(*lines: str, error: bool = False) -> None:
    """Print each text as one line on stdout, or on stderr if `error`, and flush."""
    file = sys.stderr if error else sys.stdout
    print("\n".join(map(escape, lines)), file=file, flush=True)


def print_coloured(coloured: str, text: str = "", *, colour: str) -> None:
    """Print one line whose first part is bold and coloured on a terminal, unless NO_COLOR or TERM=dumb is set."""
    from typer import style

    start = escape(coloured)
    shows_colours = sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    print((style(start, fg=colour, bold=True) if shows_colours else start) + escape(text), flush=True)


def error_line(error: object) -> str:
    """Return an error as one line for stderr."""
    return f"stockwire: {escape(' '.join(str(error).split()))}"


def print_rows(
    columns: Sequence[str],
    rows: Iterable[Mapping[str, Any]],
    output: Format = Format.TABLE,
    *,
    right: Sequence[str] = (),
    empty: str = "nothing yet",
) -> None:
    """Print the columns of each row. A missing value is empty text, or null in JSON.

    Columns named in `right` hold numbers, and are aligned right. Instead of a table without rows, `empty` is printed on
    stderr.
    """
    if output is Format.JSON:
        _print_json(columns, rows)
    elif output is Format.CSV:
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(_csv_rows(columns, rows, right))
    else:
        _print_table(columns, [_cells(columns, row) for row in rows], right, empty)


def _print_json(columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> None:
    """Print an array with one row per line, as the rows arrive."""
    separator = "[\n"
    ascii_only = not sys.stdout.encoding.lower().startswith("utf")
    for row in rows:
        line = json.dumps({column: row.get(column) for column in columns}, ensure_ascii=ascii_only)
        sys.stdout.write(separator + escape_json(line))
        separator = ",\n"
    sys.stdout.write("[]\n" if separator == "[\n" else "\n]\n")


def _print_table(columns: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[str], empty: str) -> None:
    if not rows:
        print_lines(empty, error=True)
    elif sys.stdout.isatty():
        _print_rich_table(columns, rows, right)
    else:
        _print_plain([columns, *rows], [column in right for column in columns])


def _print_rich_table(columns: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[str]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(header_style="bold", box=None, pad_edge=False)
    for column in columns:
        table.add_column(column, justify="right" if column in right else "left", overflow="fold")
    for row in rows:
        table.add_row(*row)
    Console(markup=False, highlight=False, emoji=False).print(table)


def _print_plain(lines: Sequence[Sequence[str]], right: Sequence[bool]) -> None:
    widths = [max(len(cell) for cell in column) for column in zip(*lines, strict=True)]
    for line in lines:
        columns = zip(line, widths, right, strict=True)
        cells = (cell.rjust(width) if to_right else cell.ljust(width) for cell, width, to_right in columns)
        print("  ".join(cells).rstrip())


def _cells(columns: Sequence[str], row: Mapping[str, Any]) -> list[str]:
    values = (row.get(column) for column in columns)
    return ["" if value is None else escape(str(value)) for value in values]


def _csv_rows(columns: Sequence[str], rows: Iterable[Mapping[str, Any]], numbers: Sequence[str]) -> Iterator[list[Any]]:
    """Yield the cells of each row; a negative number must not be taken for a formula."""
    texts = [place for place, column in enumerate(columns) if column not in numbers]
    for row in rows:
        cells: list[Any] = [row.get(column) for column in columns]
        for place in texts:
            if isinstance(cells[place], str):
                cells[place] = escape_cell(cells[place])
        yield cells
