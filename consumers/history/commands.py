"""`stockwire history`, `latest` and `symbols`: what is stored."""

from typing import Annotated

import typer

from consumers.history.models import COLUMNS
from consumers.history.queries import history_database, prices, stored_symbols
from consumers.history.queries import latest as newest_prices
from shared.options import Moment, Newest, OutputFormat
from shared.output import Format, print_rows
from shared.settings import load_settings
from shared.symbols import check_symbol

_NUMBERS = ("price", "volume", "rows")


def history(
    symbol: Annotated[str, typer.Argument(metavar="SYMBOL", help="As the exchange writes it, such as AAPL or BRK.B.")],
    since: Moment = None,
    until: Moment = None,
    limit: Newest = None,
    output: OutputFormat = Format.TABLE,
) -> None:
    """Stored prices of one symbol, oldest first: from --since up to, but not including, --until."""
    symbol = check_symbol(symbol.upper())
    with history_database(load_settings()) as engine:
        rows = prices(engine, symbol, since, until, limit)
        print_rows(COLUMNS, rows, output, right=_NUMBERS, empty=f"no prices of {symbol} are stored for that time")


def latest(
    symbols: Annotated[list[str] | None, typer.Argument(metavar="[SYMBOL]...", help="All where none is named.")] = None,
    output: OutputFormat = Format.TABLE,
) -> None:
    """The newest stored price of each symbol."""
    wanted = [check_symbol(symbol.upper()) for symbol in symbols or ()]
    with history_database(load_settings()) as engine:
        rows = newest_prices(engine, wanted)
    print_rows(COLUMNS, rows, output, right=_NUMBERS, empty="no prices of these symbols are stored")


def symbols(output: OutputFormat = Format.TABLE) -> None:
    """What is stored: each symbol and provider, from when to when, and how many rows."""
    with history_database(load_settings()) as engine:
        rows = stored_symbols(engine)
    columns = ("symbol", "provider", "first", "last", "rows")
    print_rows(columns, rows, output, right=_NUMBERS, empty="no prices are stored yet")
