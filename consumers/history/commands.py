"""The commands `stockwire history`, `latest`, `symbols` and `gaps`."""

import sys
from typing import Annotated, Any

import typer

from consumers.history.gap_detection import DAY, Gap, resolution_of
from consumers.history.queries.gaps import daily_only_symbols, gaps_by_symbol, symbols_without_prices
from consumers.history.queries.prices import history_database, latest_prices, read_prices, stored_symbols
from consumers.history.tables import PRICE_HISTORY_COLUMNS
from shared.cli.options import Apart, Moment, Newest, OutputFormat
from shared.cli.output import Format, print_rows
from shared.market_calendar import load_market_calendar
from shared.settings import load_settings
from shared.symbols import check_symbol, join_names
from shared.times import format_instant, utc_now

_SYMBOLS_COLUMNS = ("symbol", "provider", "first", "last", "rows")
_GAPS_COLUMNS = ("symbol", "from", "until", "missing")
_NUMBERS = ("price", "volume", "rows", "missing")
_NO_MARKET = "nights, weekends and holidays count as gaps too; set STOCKWIRE_MARKET, such as XNYS, to leave them out"

Symbols = Annotated[list[str] | None, typer.Argument(metavar="[SYMBOL]...", help="Default: all stored symbols.")]


def history(
    symbol: Annotated[str, typer.Argument(metavar="SYMBOL", help="As the exchange writes it, such as AAPL or BRK.B.")],
    since: Moment = None,
    until: Moment = None,
    limit: Newest = None,
    output: OutputFormat = Format.TABLE,
) -> None:
    """List the stored prices of one symbol, oldest first, from --since to before --until."""
    symbol = check_symbol(symbol.upper())
    with history_database(load_settings()) as engine:
        rows = read_prices(engine, symbol, since, until, limit)
        empty = f"no stored prices for {symbol} in this time range"
        print_rows(PRICE_HISTORY_COLUMNS, rows, output, right=_NUMBERS, empty=empty)


def latest(symbols: Symbols = None, output: OutputFormat = Format.TABLE) -> None:
    """Show the newest stored price of each symbol."""
    wanted = _check_symbols(symbols)
    with history_database(load_settings()) as engine:
        rows = latest_prices(engine, wanted)
    empty = f"no stored prices for {join_names(wanted)}" if wanted else "no stored prices"
    print_rows(PRICE_HISTORY_COLUMNS, rows, output, right=_NUMBERS, empty=empty)


def symbols(output: OutputFormat = Format.TABLE) -> None:
    """List the stored symbols by provider, with first and last time and number of prices."""
    with history_database(load_settings()) as engine:
        rows = stored_symbols(engine)
    print_rows(_SYMBOLS_COLUMNS, rows, output, right=_NUMBERS, empty="no stored prices")


def gaps(
    symbols: Symbols = None,
    since: Moment = None,
    interval: Apart = None,
    output: OutputFormat = Format.TABLE,
) -> None:
    """List gaps in the stored prices, by the schedule and the market's hours (STOCKWIRE_MARKET)."""
    settings = load_settings()
    wanted = _check_symbols(symbols)
    resolution = interval or resolution_of(settings.schedule)
    sessions = load_market_calendar(settings.market).sessions if settings.market else None
    with history_database(settings) as engine:
        found = gaps_by_symbol(engine, resolution, utc_now(), wanted, since, sessions)
        rows = [_gap_row(symbol, gap) for symbol, gap in found]
        without_prices = symbols_without_prices(engine, wanted) if wanted else []
        daily_only = daily_only_symbols(engine, wanted) if resolution < DAY else []
    print_rows(_GAPS_COLUMNS, rows, output, right=_NUMBERS, empty="no gaps")
    if without_prices:
        print(_explain_without_prices(without_prices), file=sys.stderr)
    if daily_only:
        print(_explain_daily_only(daily_only), file=sys.stderr)
    elif rows and not settings.market:
        print(_NO_MARKET, file=sys.stderr)


def _gap_row(symbol: str, gap: Gap) -> dict[str, Any]:
    since, until = format_instant(gap.since), format_instant(gap.until)
    return {"symbol": symbol, "from": since, "until": until, "missing": gap.missing}


def _check_symbols(symbols: list[str] | None) -> list[str]:
    return [check_symbol(symbol.upper()) for symbol in symbols or ()]


def _explain_without_prices(symbols: list[str]) -> str:
    names = " ".join(symbols) if len(symbols) <= 10 else "SYMBOL..."
    return f"no stored prices for {join_names(symbols)}; run ./stockwire backfill {names} --since T"


def _explain_daily_only(symbols: list[str]) -> str:
    return f"only daily prices are stored for {join_names(symbols)}; use --interval 1d to find missing days"
