"""Rows on stdout or in a file, as a table, CSV, JSON or Parquet: the options --format and --output."""

import shutil
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, TextIO

import typer

from shared.cli.formats import text_cells, write_csv, write_json, write_plain_table
from shared.cli.output import Format, print_lines, print_rows
from shared.columns import Columns, numbers
from shared.errors import OutputError
from shared.file_replacement import replaced_file

Row = Mapping[str, Any]
# Makes record batches of Arrow whose prices have this number of digits after the point.
MakeBatches = Callable[[int], Iterable[Any]]


class ExportFormat(StrEnum):
    TABLE = "table"
    CSV = "csv"
    JSON = "json"
    PARQUET = "parquet"


_SUFFIXES = {
    ".txt": ExportFormat.TABLE,
    ".csv": ExportFormat.CSV,
    ".json": ExportFormat.JSON,
    ".parquet": ExportFormat.PARQUET,
}

ExportFormatOption = Annotated[
    ExportFormat | None,
    typer.Option("--format", help="Output format. By default the suffix of --output tells it, else it is a table."),
]
OutputOption = Annotated[
    Path | None, typer.Option("--output", metavar="FILE", help="Write to this file, and replace it as a whole.")
]


@dataclass(frozen=True)
class Export:
    """Rows to print or to write. `rows` and `batches` read them, anew with each call.

    `empty` is said on stderr if there are no rows. Without `batches`, Parquet is made of the rows.
    """

    columns: Columns
    rows: Callable[[], Iterable[Row]]
    empty: str = "nothing yet"
    batches: MakeBatches | None = None

    def make_batches(self) -> MakeBatches:
        from shared.arrow import batches_of_rows

        return self.batches or (lambda scale: batches_of_rows(self.columns, self.rows(), scale))


def choose_format(chosen: ExportFormat | None, output: Path | None) -> ExportFormat:
    """Return the chosen format, or that of the file's suffix. Raises BadParameter for another suffix."""
    if chosen is not None or output is None:
        return chosen or ExportFormat.TABLE
    found = _SUFFIXES.get(output.suffix.lower())
    if found is None and output.is_dir():
        raise OutputError(f"{output} is a folder: name a file in it")
    if found is None:
        raise typer.BadParameter(
            f"the suffix of {output.name!r} is none of {', '.join(_SUFFIXES)}: choose --format", param_hint="--output"
        )
    return found


def export(found: Export, chosen: ExportFormat | None, output: Path | None) -> None:
    """Print the rows, or write them to a file. Raises OutputError and MissingLibrary."""
    form = choose_format(chosen, output)
    if output is not None:
        with replaced_file(output) as path:
            count = _write(found, form, path)
        if not count:
            print_lines(found.empty, error=True)
        print_lines(f"wrote {count} row{'' if count == 1 else 's'} to {output}", error=True)
    elif form is ExportFormat.PARQUET:
        _print_parquet(found)
    else:
        print_rows([*found.columns], found.rows(), Format(form), right=numbers(found.columns), empty=found.empty)


class _Counter:
    """Counts what passes through."""

    count = 0

    def rows(self, rows: Iterable[Row]) -> Iterator[Row]:
        for row in rows:
            self.count += 1
            yield row

    def batches(self, batches: Iterable[Any]) -> Iterator[Any]:
        self.count = 0
        for batch in batches:
            self.count += batch.num_rows
            yield batch


def _write(found: Export, form: ExportFormat, path: Path) -> int:
    """Return the number of rows."""
    counter = _Counter()
    if form is ExportFormat.PARQUET:
        from shared.arrow import write_parquet

        make = found.make_batches()
        write_parquet(path, found.columns, lambda scale: counter.batches(make(scale)))
    else:
        with path.open("w", encoding="utf-8", newline="") as file:
            _write_text(file, found, form, counter.rows(found.rows()))
    return counter.count


def _write_text(file: TextIO, found: Export, form: ExportFormat, rows: Iterable[Row]) -> None:
    columns, right = [*found.columns], numbers(found.columns)
    if form is ExportFormat.CSV:
        write_csv(file, columns, rows, right)
    elif form is ExportFormat.JSON:
        write_json(file, columns, rows)
    else:
        lines = [columns, *(text_cells(columns, row) for row in rows)]
        write_plain_table(file, lines, [column in right for column in columns])


def _print_parquet(found: Export) -> None:
    if sys.stdout.isatty():
        raise OutputError("a terminal cannot show Parquet: add --output FILE.parquet, or send stdout to a file")
    from shared.arrow import write_parquet

    # The end of a Parquet file tells where its parts begin, and a pipe cannot be written anew with another scale.
    with tempfile.TemporaryDirectory(prefix="stockwire-") as folder:
        path = Path(folder) / "rows.parquet"
        write_parquet(path, found.columns, found.make_batches())
        with path.open("rb") as file:
            shutil.copyfileobj(file, sys.stdout.buffer)
