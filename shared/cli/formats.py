"""Rows as CSV, JSON and plain text, written to a text file as they arrive."""

import csv
import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, TextIO

from shared.cli.escaping import escape, escape_cell, escape_json

Row = Mapping[str, Any]


def write_csv(file: TextIO, columns: Sequence[str], rows: Iterable[Row], numbers: Sequence[str]) -> None:
    """Write a header and the rows. `numbers` are columns in which a negative number is not taken for a formula."""
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(csv_rows(columns, rows, numbers))


def write_json(file: TextIO, columns: Sequence[str], rows: Iterable[Row], *, ascii_only: bool = False) -> None:
    """Write an array with one row per line."""
    separator = "[\n"
    for row in rows:
        line = json.dumps({column: row.get(column) for column in columns}, ensure_ascii=ascii_only)
        file.write(separator + escape_json(line))
        separator = ",\n"
    file.write("[]\n" if separator == "[\n" else "\n]\n")


def write_plain_table(file: TextIO, lines: Sequence[Sequence[str]], right: Sequence[bool]) -> None:
    """Write aligned text: the first line is the header. `right` says which columns are aligned right."""
    widths = [max(len(cell) for cell in column) for column in zip(*lines, strict=True)]
    for line in lines:
        columns = zip(line, widths, right, strict=True)
        cells = (cell.rjust(width) if to_right else cell.ljust(width) for cell, width, to_right in columns)
        file.write("  ".join(cells).rstrip() + "\n")


def text_cells(columns: Sequence[str], row: Row) -> list[str]:
    """Return the cells of a row of a table."""
    values = (row.get(column) for column in columns)
    return ["" if value is None else escape(str(value)) for value in values]


def csv_rows(columns: Sequence[str], rows: Iterable[Row], numbers: Collection[str]) -> Iterator[list[Any]]:
    """Yield the cells of each row. Text that a spreadsheet would take for a formula gets a leading quote."""
    texts = [place for place, column in enumerate(columns) if column not in numbers]
    for row in rows:
        cells: list[Any] = [row.get(column) for column in columns]
        for place in texts:
            if isinstance(cells[place], str):
                cells[place] = escape_cell(cells[place])
        yield cells
