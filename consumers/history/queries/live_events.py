"""Live prices as events again, in the order of their commits, out of the log of committed batches."""

from collections.abc import Iterable, Iterator
from datetime import timedelta
from decimal import Decimal
from itertools import islice
from typing import Any, NamedTuple

from consumers.history.live_batches import unpack_keys
from consumers.history.queries.series import Series, TimeRange, read_rows
from shared.database.reader import Reader
from shared.events import StockData
from shared.prices import from_float
from shared.times import from_micros

_BATCHES_PER_PART = 20
# A price may be stored long after it was observed. What is older than this does not come again.
_LONGEST_DELAY = timedelta(days=1) // timedelta(microseconds=1)

_SERIES = "SELECT id, symbol, provider, interval, bar_offset, currency FROM series"
_QUOTE = "SELECT as_of, NULL, NULL, NULL, price, currency, volume, lag FROM quote"
_BAR = "SELECT as_of, open, high, low, close, currency, volume, lag FROM bar"
_BATCHES = "SELECT last_number, prices FROM live_batch WHERE last_number > :after ORDER BY last_number LIMIT :most"


class LiveEvent(NamedTuple):
    """The number of a live price, and its event."""

    number: int
    event: StockData


def newest_number(reader: Reader) -> int:
    """Return the number of the newest live price."""
    [(number,)] = reader.select("SELECT max(last_number) FROM live_batch")
    return int(number or 0)


def is_logged_since(reader: Reader, number: int) -> bool:
    """Return True if the log has every live price with a larger number."""
    found = reader.select("SELECT 1 FROM live_batch WHERE last_number <= :number LIMIT 1", {"number": number})
    return bool(list(found))


def read_live_events(reader: Reader, after: int, most: int) -> list[LiveEvent]:
    """Return the first live prices with numbers over `after`, at most `most` of them, as they are stored now.

    A price that was deleted since is left out.
    """
    return list(islice(_live_events(reader, after), most))


def read_older_events(reader: Reader, number: int) -> Iterator[StockData]:
    """Yield the prices that the log has lost: those observed after a number, and before the log begins.

    They come series by series, backfilled ones too, and some of them may be from before the number.
    """
    [(oldest,)] = reader.select("SELECT min(last_number) FROM live_batch")
    observed = f"as_of + lag >= {number - _LONGEST_DELAY:d} AND as_of + lag <= {oldest or 0:d}"
    for series in [Series(*row) for row in reader.select(_SERIES)]:
        sql = f"{_BAR if series.interval else _QUOTE} WHERE series_id = :series_id AND {observed}"
        for row in read_rows(reader, sql, series, TimeRange()):
            yield _event(series, row)


def _live_events(reader: Reader, after: int) -> Iterator[LiveEvent]:
    known: dict[int, Series] = {}
    while batches := list(reader.select(_BATCHES, {"after": after, "most": _BATCHES_PER_PART})):
        for last, packed in batches:
            keys = unpack_keys(packed)
            first = last - len(keys) + 1
            wanted = [(first + place, key) for place, key in enumerate(keys) if first + place > after]
            known |= _read_series(reader, {series_id for _, (series_id, _) in wanted if series_id not in known})
            for number, (series_id, as_of) in wanted:
                series = known[series_id]
                sql = f"{_BAR if series.interval else _QUOTE} WHERE series_id = :series_id AND as_of = :as_of"
                for row in list(reader.select(sql, {"series_id": series_id, "as_of": as_of})):
                    yield LiveEvent(number, _event(series, row))
            after = last


def _read_series(reader: Reader, ids: Iterable[int]) -> dict[int, Series]:
    return {
        each: Series(*row)
        for each in ids
        for row in reader.select(f"{_SERIES} WHERE id = :series_id", {"series_id": each})
    }


def _event(series: Series, row: tuple[Any, ...]) -> StockData:
    as_of, opened, high, low, price, currency, volume, lag = row
    observed_at = from_micros(as_of + lag)
    return StockData.create(
        symbol=series.symbol,
        price=from_float(price),
        currency=series.currency if currency is None else currency or None,
        as_of=from_micros(as_of),
        provider=series.provider,
        # Some were stored by a version that took prices from ahead of its clock.
        observed_at=max(from_micros(as_of), observed_at),
        volume=volume,
        open=_price(opened),
        high=_price(high),
        low=_price(low),
        interval=series.interval or None,
    )


def _price(stored: float | None) -> Decimal | None:
    return None if stored is None else from_float(stored)
