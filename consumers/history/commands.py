"""The commands `stockwire latest` and `symbols`."""

from collections.abc import Iterable, Iterator
from functools import partial
from typing import Annotated, Any

import typer

from consumers.history.queries.columns import PRICE_KINDS, SYMBOL_KINDS
from consumers.history.queries.prices import history_reader
from consumers.history.queries.rows import PriceRow, SymbolRow
from consumers.history.queries.symbols import latest_prices, stored_symbols
from shared.cli.exports import Export, ExportFormatOption, OutputOption, export
from shared.settings import load_settings
from shared.symbols import join_names, read_symbol

Symbols = Annotated[list[str] | None, typer.Argument(metavar="[SYMBOL]...", help="Default: all stored symbols.")]


def latest(symbols: Symbols = None, form: ExportFormatOption = None, output: OutputOption = None) -> None:
    """Show the newest stored price of each symbol."""
    wanted = check_symbols(symbols)
    with history_reader(load_settings()) as reader:
        rows = latest_prices(reader, wanted)
    empty = f"no stored prices for {join_names(wanted)}" if wanted else "no stored prices"
    export(Export(PRICE_KINDS, partial(_fields, rows), empty), form, output)


def symbols(
    count: Annotated[bool, typer.Option("--count", help="Count the prices too, which takes seconds.")] = False,
    form: ExportFormatOption = None,
    output: OutputOption = None,
) -> None:
    """List the stored symbols by provider and interval, with first and last time."""
    with history_reader(load_settings()) as reader:
        rows = stored_symbols(reader, count=count)
    kinds = {name: kind for name, kind in SYMBOL_KINDS.items() if count or name != "rows"}
    export(Export(kinds, partial(_fields, rows), "no stored prices"), form, output)


def _fields(rows: Iterable[PriceRow | SymbolRow]) -> Iterator[dict[str, Any]]:
    return (row.fields() for row in rows)


def check_symbols(symbols: list[str] | None) -> list[str]:
    """Return the symbols, each once."""
    return list(dict.fromkeys(read_symbol(symbol) for symbol in symbols or ()))
