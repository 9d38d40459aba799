"""The buckets of candles in the time zone that was asked for."""

from consumers.history.timeframes import Buckets, Timeframe
from shared.errors import SettingsError
from shared.time_parsing import parse_zone

MARKET = "market"


def make_buckets(timeframe: Timeframe, zone: str | None, market: str | None) -> Buckets:
    """Return the buckets in a time zone, or with `market` in that of the market, whose code is the last argument.

    Raises ValueError for an unknown time zone, and SettingsError without a market.
    """
    if zone is None:
        return Buckets(timeframe)
    if zone != MARKET:
        try:
            return Buckets(timeframe, parse_zone(zone))
        except ValueError as error:
            raise ValueError(f"{error}, or {MARKET}") from error
    if not market:
        raise SettingsError("--tz market needs the setting STOCKWIRE_MARKET, such as XNYS")
    from shared.market_calendar import load_market_calendar

    calendar = load_market_calendar(market)
    return Buckets(timeframe, calendar.zone, calendar.day_start)
