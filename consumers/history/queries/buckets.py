"""The buckets of candles in the time zone that was asked for."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, timedelta

from consumers.history.timeframes import Buckets, Timeframe
from shared.errors import InvalidQuery, SettingsError
from shared.time_parsing import parse_zone
from shared.times import from_micros, to_micros

MARKET = "market"
_MICROSECOND = timedelta(microseconds=1)


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


class BucketsInMicroseconds:
    """The buckets with times in microseconds since 1970, as the database has them."""

    def __init__(self, buckets: Buckets) -> None:
        self._buckets = buckets
        length = buckets.timeframe.length
        is_fixed = buckets.zone is UTC and buckets.day_start is None and buckets.timeframe.unit not in ("w", "mo")
        # The length of all buckets if they begin at multiples of it, else None.
        self.fixed_length = length // _MICROSECOND if is_fixed and length else None

    def around(self, instant: int) -> tuple[int, int]:
        if self.fixed_length:
            start = instant // self.fixed_length * self.fixed_length
            return start, start + self.fixed_length
        start_time, end_time = self._buckets.around(from_micros(instant))
        return to_micros(start_time), to_micros(end_time)


@contextmanager
def within_calendar(symbol: str) -> Iterator[None]:
    """Raise InvalidQuery in the place of an OverflowError: a bucket or bar begins before the first year, or similar."""
    try:
        yield
    except OverflowError as error:
        raise InvalidQuery(
            f"{symbol} has prices at an end of the calendar, whose candles would pass it; use --since 1900-01-01"
        ) from error
