"""Print rows: a table on a terminal, aligned text in a pipe, or CSV or JSON on request."""

import csv
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from itertools import chain
from typing import Any


class Format(StrEnum):
    TABLE = "table"
    CSV = "csv"
    JSON = "json"


def print_rows(
    columns: Sequence[str],
    rows: Iterable[Mapping[str, Any]],
    output: Format = Format.TABLE,
    *,
    right: Sequence[str] = (),
    empty: str = "nothing yet",
) -> None:
    """Print the columns of each row. A missing value is empty text, or null in JSON.

    Columns named in `right` are aligned right. Instead of a table without rows, `empty` is printed on stderr.
    """
    if output is Format.JSON:
        _print_json(columns, rows)
    elif output is Format.CSV:
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerows(chain([columns], (_cells(columns, row) for row in rows)))
    else:
        _print_table(columns, [_cells(columns, row) for row in rows], right, empty)


def _print_json(columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> None:
    """Print an array with one row per line, as the rows arrive."""
    separator = "[\n"
    for row in rows:
        sys.stdout.write(separator + json.dumps({column: row.get(column) for column in columns}, ensure_ascii=False))
        separator = ",\n"
    sys.stdout.write("[]\n" if separator == "[\n" else "\n]\n")


def _print_table(columns: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[str], empty: str) -> None:
    if not rows:
        print(empty, file=sys.stderr)
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
    return ["" if value is None else str(value) for value in values]
