"""The commands `stockwire history`, `latest` and `symbols`."""

from typing import Annotated

import typer

from consumers.history.queries.prices import (
    PRICE_HISTORY_COLUMNS,
    history_reader,
    latest_prices,
    read_prices,
    stored_symbols,
)
from shared.cli.options import FormatOption, LimitOption, TimeOption
from shared.cli.output import Format, print_rows
from shared.settings import load_settings
from shared.symbols import join_names, read_symbol

_SYMBOLS_COLUMNS = ("symbol", "provider", "interval", "first", "last", "rows")
_NUMBERS = ("price", "volume", "rows")

Symbols = Annotated[list[str] | None, typer.Argument(metavar="[SYMBOL]...", help="Default: all stored symbols.")]


def history(
    symbol: Annotated[str, typer.Argument(metavar="SYMBOL", help="As the exchange writes it, such as AAPL or BRK.B.")],
    since: TimeOption = None,
    until: TimeOption = None,
    limit: LimitOption = None,
    output: FormatOption = Format.TABLE,
) -> None:
    """List the stored prices of one symbol, oldest first, from --since to before --until."""
    symbol = read_symbol(symbol)
    with history_reader(load_settings()) as reader:
        rows = read_prices(reader, symbol, since, until, limit)
        empty = f"no stored prices for {symbol} in this time range"
        print_rows(PRICE_HISTORY_COLUMNS, rows, output, right=_NUMBERS, empty=empty)


def latest(symbols: Symbols = None, output: FormatOption = Format.TABLE) -> None:
    """Show the newest stored price of each symbol."""
    wanted = check_symbols(symbols)
    with history_reader(load_settings()) as reader:
        rows = latest_prices(reader, wanted)
    empty = f"no stored prices for {join_names(wanted)}" if wanted else "no stored prices"
    print_rows(PRICE_HISTORY_COLUMNS, rows, output, right=_NUMBERS, empty=empty)


def symbols(output: FormatOption = Format.TABLE) -> None:
    """List the stored symbols by provider and interval, with first and last time and number of prices."""
    with history_reader(load_settings()) as reader:
        rows = stored_symbols(reader)
    print_rows(_SYMBOLS_COLUMNS, rows, output, right=_NUMBERS, empty="no stored prices")


def check_symbols(symbols: list[str] | None) -> list[str]:
    return [read_symbol(symbol) for symbol in symbols or ()]
