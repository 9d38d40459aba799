"""The command `stockwire gaps`, apart from the quick commands because it imports SQLAlchemy."""

from typing import Any

from consumers.history.commands import Symbols, check_symbols
from consumers.history.gap_detection import DAY, Gap, resolution_of
from consumers.history.queries.gaps import daily_only_symbols, gaps_by_symbol, history_database, symbols_without_prices
from shared.cli.options import FormatOption, IntervalOption, TimeOption
from shared.cli.output import Format, print_lines, print_rows
from shared.errors import SettingsError
from shared.market_calendar import load_market_calendar
from shared.settings import load_settings
from shared.symbols import join_names
from shared.times import format_instant, utc_now

_GAPS_COLUMNS = ("symbol", "from", "until", "missing")
_NO_MARKET = "nights, weekends and holidays count as gaps too; set STOCKWIRE_MARKET, such as XNYS, to leave them out"


def gaps(
    symbols: Symbols = None,
    since: TimeOption = None,
    interval: IntervalOption = None,
    output: FormatOption = Format.TABLE,
) -> None:
    """List gaps in the stored prices, by the schedule and the market's hours (STOCKWIRE_MARKET).

    Exits 1 if no price of any named symbol is stored.
    """
    settings = load_settings()
    wanted = check_symbols(symbols)
    resolution = interval or resolution_of(settings.schedule)
    sessions = load_market_calendar(settings.market).sessions if settings.market else None
    with history_database(settings) as engine:
        found = gaps_by_symbol(engine, resolution, utc_now(), wanted, since, sessions)
        rows = [_gap_row(symbol, gap) for symbol, gap in found]
        without_prices = symbols_without_prices(engine, wanted) if wanted else []
        daily_only = daily_only_symbols(engine, wanted) if resolution < DAY else []
    if wanted and len(without_prices) == len(wanted):
        raise SettingsError(_explain_without_prices(without_prices))
    print_rows(_GAPS_COLUMNS, rows, output, right=("missing",), empty="no gaps")
    if without_prices:
        print_lines(_explain_without_prices(without_prices), error=True)
    if daily_only:
        print_lines(_explain_daily_only(daily_only), error=True)
    elif rows and not settings.market:
        print_lines(_NO_MARKET, error=True)


def _gap_row(symbol: str, gap: Gap) -> dict[str, Any]:
    since, until = format_instant(gap.since), format_instant(gap.until)
    return {"symbol": symbol, "from": since, "until": until, "missing": gap.missing}


def _explain_without_prices(symbols: list[str]) -> str:
    names = " ".join(symbols) if len(symbols) <= 10 else "SYMBOL..."
    return f"no stored prices for {join_names(symbols)}; run ./stockwire backfill {names} --since T"


def _explain_daily_only(symbols: list[str]) -> str:
    return f"only daily prices are stored for {join_names(symbols)}; use --interval 1d to find missing days"
