"""`stockwire history`, `latest`, `symbols` and `gaps`: what is stored, and what is not."""

import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from consumers.history.gap_detection import DAY, resolution_of
from consumers.history.queries.gaps import daily_only_symbols, gaps_by_symbol, symbols_without_prices
from consumers.history.queries.prices import history_database, latest_prices, read_prices, stored_symbols
from consumers.history.tables import PRICE_HISTORY_COLUMNS
from shared.cli.options import Apart, Moment, Newest, OutputFormat
from shared.cli.output import Format, print_rows
from shared.market_calendar import load_market_calendar
from shared.settings import load_settings
from shared.symbols import check_symbol
from shared.times import format_instant, utc_now

_NUMBERS = ("price", "volume", "rows", "missing")
_NO_MARKET = "without STOCKWIRE_MARKET, such as XNYS, nights, weekends and holidays count as holes too"


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
        rows = read_prices(engine, symbol, since, until, limit)
        print_rows(
            PRICE_HISTORY_COLUMNS, rows, output, right=_NUMBERS, empty=f"no prices of {symbol} are stored for that time"
        )


def latest(
    symbols: Annotated[list[str] | None, typer.Argument(metavar="[SYMBOL]...", help="All where none is named.")] = None,
    output: OutputFormat = Format.TABLE,
) -> None:
    """The newest stored price of each symbol."""
    wanted = [check_symbol(symbol.upper()) for symbol in symbols or ()]
    with history_database(load_settings()) as engine:
        rows = latest_prices(engine, wanted)
    print_rows(PRICE_HISTORY_COLUMNS, rows, output, right=_NUMBERS, empty="no prices of these symbols are stored")


def symbols(output: OutputFormat = Format.TABLE) -> None:
    """What is stored: each symbol and provider, from when to when, and how many rows."""
    with history_database(load_settings()) as engine:
        rows = stored_symbols(engine)
    columns = ("symbol", "provider", "first", "last", "rows")
    print_rows(columns, rows, output, right=_NUMBERS, empty="no prices are stored yet")


def gaps(
    symbols: Annotated[list[str] | None, typer.Argument(metavar="[SYMBOL]...", help="All where none is named.")] = None,
    since: Moment = None,
    interval: Apart = None,
    output: OutputFormat = Format.TABLE,
) -> None:
    """Holes in what is stored, where prices were due by the schedule, and with STOCKWIRE_MARKET while it was open."""
    settings = load_settings()
    wanted = [check_symbol(symbol.upper()) for symbol in symbols or ()]
    resolution = interval or resolution_of(settings.schedule)
    sessions = load_market_calendar(settings.market).sessions if settings.market else None
    with history_database(settings) as engine:
        rows = [
            {
                "symbol": symbol,
                "from": format_instant(hole.since),
                "until": format_instant(hole.until),
                "missing": hole.missing,
            }
            for symbol, hole in gaps_by_symbol(engine, resolution, utc_now(), wanted, since, sessions)
        ]
        unknown = symbols_without_prices(engine, wanted) if wanted else []
        of_days = daily_only_symbols(engine, wanted) if resolution < DAY else []
    print_rows(("symbol", "from", "until", "missing"), rows, output, right=_NUMBERS, empty="no holes")
    if unknown:
        print(f"of {_shorten(unknown)} nothing is stored: backfill fetches it", file=sys.stderr)
    if of_days:
        print(f"of {_shorten(of_days)} only days' prices are stored: --interval 1d looks at those", file=sys.stderr)
    elif rows and not settings.market:
        print(_NO_MARKET, file=sys.stderr)


def _shorten(symbols: Sequence[str]) -> str:
    return ", ".join(symbols[:3]) + (f" and {len(symbols) - 3} more" if len(symbols) > 3 else "")
