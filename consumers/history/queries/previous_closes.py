"""The close of each symbol on the trading date before that of its newest price."""

from collections.abc import Iterable, Sequence
from datetime import date
from itertools import groupby
from operator import attrgetter
from typing import NamedTuple

from consumers.history.queries.rows import PriceRow
from consumers.history.queries.series import Series, TimeRange, find_series, read_rows
from consumers.history.queries.splits import read_splits
from consumers.history.splits import SplitAdjustment
from consumers.history.timeframes import Buckets
from shared.database.reader import Reader
from shared.prices import format_price, from_float, is_real
from shared.splits import Split
from shared.times import from_micros, is_by_date, midnight_of, to_micros

_QUOTES = "SELECT as_of, price FROM quote WHERE series_id = :series_id"
_BARS = "SELECT as_of, close FROM bar WHERE series_id = :series_id"


class _Close(NamedTuple):
    """The last price of a series before a date. The close of a daily bar wins over other prices of its date."""

    day: date
    is_daily: bool
    as_of: int
    price: float


def previous_closes(reader: Reader, newest: Iterable[PriceRow], days: Buckets) -> dict[str, str]:
    """Return the previous close by symbol, for each of the newest prices that has one, as decimal text.

    `days` are buckets of a day, which tell the trading date of an instant. Real prices never count beside simulated or
    replayed ones. A split between the two dates divides the close, so that it compares with the newest price.
    """
    rows = list(newest)
    splits = _splits_by_symbol(reader, [row.symbol for row in rows])
    found = {}
    for row in rows:
        day = _date_of(row, days)
        closes = [_last_before(reader, each, day, days) for each in _comparable_series(reader, row)]
        if known := max(filter(None, closes), default=None):
            found[row.symbol] = _adjusted(known, splits.get(row.symbol, ()), day, days)
    return found


def _splits_by_symbol(reader: Reader, symbols: Sequence[str]) -> dict[str, list[Split]]:
    wanted = set(symbols)
    # All splits: a database may refuse a question with thousands of symbols.
    known = (stored.split for stored in read_splits(reader))
    by_symbol = groupby(known, key=attrgetter("symbol"))
    return {symbol: list(found) for symbol, found in by_symbol if symbol in wanted}


def _date_of(row: PriceRow, days: Buckets) -> date:
    return row.as_of.date() if is_by_date(row.interval) else days.date_of(row.as_of)


def _comparable_series(reader: Reader, row: PriceRow) -> list[Series]:
    """Return the series of real prices if the newest price is real, or else those of its provider."""
    stored = find_series(reader, row.symbol)
    if is_real(row.provider):
        return [each for each in stored if is_real(each.provider) and each.interval not in ("1w", "1mo")]
    return [each for each in stored if each.provider == row.provider]


def _last_before(reader: Reader, series: Series, day: date, days: Buckets) -> _Close | None:
    is_daily = is_by_date(series.interval)
    # The `as_of` of an intraday bar is its end, which may be the begin of the day.
    end = midnight_of(day) if is_daily else days.start_of(day)
    margin = 1 if series.interval and not is_daily else 0
    sql = _BARS if series.interval else _QUOTES
    rows = read_rows(reader, sql, series, TimeRange(None, to_micros(end) + margin), descending=True, most=1)
    for as_of, price in rows:
        instant = from_micros(as_of - (1 if margin else 0))
        return _Close(instant.date() if is_daily else days.date_of(instant), is_daily, as_of, price)
    return None


def _adjusted(close: _Close, splits: Sequence[Split], day: date, days: Buckets) -> str:
    between = [split for split in splits if split.day <= day]
    adjustment = SplitAdjustment(between, days.start_of)
    return format_price(from_float(adjustment.adjust(close.price, close.as_of, is_daily=close.is_daily)))
