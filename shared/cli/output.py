"""Print lines, and rows: a table on a terminal, aligned text in a pipe, or CSV or JSON on request.

All output of the commands and consumers goes through this module, which escapes text from outside.
"""

import os
import sys
from collections.abc import Iterable, Sequence
from enum import StrEnum

from shared.cli.escaping import escape
from shared.cli.formats import Row, text_cells, write_csv, write_json, write_plain_table


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
    print((style(start, fg=colour, bold=True) if shows_colours() else start) + escape(text), flush=True)


def shows_colours() -> bool:
    """Return True if stdout is a terminal with colours, unless NO_COLOR or TERM=dumb is set."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def print_drawing(lines: Iterable[str]) -> None:
    """Print lines with colours that a library drew. Text from outside in them must be escaped already."""
    print("\n".join(lines), flush=True)


def error_line(error: object) -> str:
    """Return an error as one line for stderr."""
    return f"stockwire: {escape(' '.join(str(error).split()))}"


def print_rows(
    columns: Sequence[str],
    rows: Iterable[Row],
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
        write_json(sys.stdout, columns, rows, ascii_only=not sys.stdout.encoding.lower().startswith("utf"))
    elif output is Format.CSV:
        write_csv(sys.stdout, columns, rows, right)
    else:
        _print_table(columns, [text_cells(columns, row) for row in rows], right, empty)


def _print_table(columns: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[str], empty: str) -> None:
    if not rows:
        print_lines(empty, error=True)
    elif sys.stdout.isatty():
        _print_rich_table(columns, rows, right)
    else:
        write_plain_table(sys.stdout, [columns, *rows], [column in right for column in columns])


def _print_rich_table(columns: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[str]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(header_style="bold", box=None, pad_edge=False)
    for column in columns:
        table.add_column(column, justify="right" if column in right else "left", overflow="fold")
    for row in rows:
        table.add_row(*row)
    Console(markup=False, highlight=False, emoji=False).print(table)
