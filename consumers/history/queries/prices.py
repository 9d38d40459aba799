"""Queries of stored prices."""

import heapq
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from itertools import dropwhile, islice
from operator import itemgetter
from typing import Any, NamedTuple

from consumers.history.migrations import LATEST_REVISION
from consumers.history.queries.rows import Order, PriceRow
from consumers.history.queries.series import Series, TimeRange, find_series, read_rows
from consumers.history.splits import SplitAdjustment
from shared.database.reader import Reader, check_revision, open_reader
from shared.database.sqlite.reading import database_exists
from shared.errors import StorageError
from shared.settings import Settings
from shared.times import is_by_date, to_micros

_QUOTES = "SELECT as_of, price, currency, volume, lag FROM quote WHERE series_id = :series_id"
_BARS = "SELECT as_of, close, currency, volume, lag FROM bar WHERE series_id = :series_id"
# Time, provider and interval of a stored row, which sort the rows of a symbol.
_POSITION = itemgetter(1, 5, 7)


class Position(NamedTuple):
    """The place of a row among those of its symbol. `as_of` is in microseconds since 1970; quotes have no interval."""

    as_of: int
    provider: str
    interval: str

    @classmethod
    def of(cls, row: PriceRow) -> "Position":
        return cls(to_micros(row.as_of), row.provider, row.interval or "")


def history_exists(settings: Settings) -> bool:
    """Return False if there is no history database yet. One on a server is taken to exist."""
    file = settings.history_url.sqlite_file
    return file is None or database_exists(file)


@contextmanager
def history_reader(settings: Settings) -> Iterator[Reader]:
    """Yield a reader of the history database. Raises StorageError if there is no history yet."""
    url = settings.history_url
    missing = StorageError(f"there is no history in {url} yet: run ./stockwire up, or ./stockwire consume history")
    if not history_exists(settings):
        # Connecting would create the file.
        raise missing
    with open_reader(url) as reader:
        # The view is created last.
        if not reader.has_table("price_history"):
            raise missing
        check_revision(reader, "history", LATEST_REVISION, "./stockwire consume history")
        yield reader


def read_prices(
    reader: Reader,
    symbol: str,
    since: datetime | None = None,
    until: datetime | None = None,
    limit: int | None = None,
    *,
    order: Order = Order.NEWEST,
    after: Position | None = None,
    providers: Collection[str] | None = None,
    interval: str | None = None,
    adjustment: SplitAdjustment | None = None,
) -> Iterator[PriceRow]:
    """Yield the rows of `price_history` for one symbol with since <= as_of < until, and at most `limit` of them.

    `after` is the position of the last row that the caller has, in this order. With `providers`, only their rows; with
    an `interval`, only bars of that length, or only quotes if it is empty. Prices are exact unless there is an
    `adjustment` for splits. The rows are read as they are needed, in constant memory.
    """
    query = PriceQuery(symbol, since, until, limit, order, after, providers, interval, adjustment)
    return map(PriceRow.of_stored, stored_prices(reader, query))


@dataclass(frozen=True)
class PriceQuery:
    """The parameters of `read_prices`."""

    symbol: str
    since: datetime | None = None
    until: datetime | None = None
    limit: int | None = None
    order: Order = Order.NEWEST
    after: Position | None = None
    providers: Collection[str] | None = None
    interval: str | None = None
    adjustment: SplitAdjustment | None = None


def stored_prices(reader: Reader, query: PriceQuery) -> Iterator[tuple[Any, ...]]:
    """Yield symbol, `as_of`, price, currency, volume, provider, `lag` and interval of each row, as stored."""
    stored = find_series(reader, query.symbol, query.providers, query.interval)
    time_range, after = TimeRange.between(query.since, query.until), query.after
    if query.order is Order.NEWEST and query.limit is not None:
        before = _before_newest(reader, stored, time_range, query.limit)
        after = max(filter(None, (before, after)), default=None)
    descending = query.order is Order.DESCENDING
    rows = islice(_rows_after(reader, stored, time_range, after, query.limit, descending=descending), query.limit)
    return rows if query.adjustment is None else (_adjust(row, query.adjustment) for row in rows)


def _before_newest(reader: Reader, stored: Sequence[Series], time_range: TimeRange, limit: int) -> Position | None:
    """Return the position of the row before the newest `limit` rows; None if there are not more rows."""
    rows = _merge(reader, stored, time_range, limit + 1, descending=True)
    return next((Position(*_POSITION(row)) for row in islice(rows, limit, None)), None)


def _rows_after(
    reader: Reader,
    stored: Sequence[Series],
    time_range: TimeRange,
    after: Position | None,
    limit: int | None,
    *,
    descending: bool,
) -> Iterator[tuple[Any, ...]]:
    most = None if limit is None else limit + 1
    if after is None:
        return _merge(reader, stored, time_range, most, descending=descending)
    first, end = time_range
    if descending:
        time_range = TimeRange(first, after.as_of + 1 if end is None else min(end, after.as_of + 1))
    else:
        time_range = TimeRange(after.as_of if first is None else max(first, after.as_of), end)
    rows = _merge(reader, stored, time_range, most, descending=descending)
    # Other series may have rows of the same time.
    return dropwhile(lambda row: _POSITION(row) >= after if descending else _POSITION(row) <= after, rows)


def _merge(
    reader: Reader, stored: Sequence[Series], time_range: TimeRange, most: int | None, *, descending: bool
) -> Iterator[tuple[Any, ...]]:
    rows = [_read_series(reader, each, time_range, most, descending=descending) for each in stored]
    return rows[0] if len(rows) == 1 else heapq.merge(*rows, key=_POSITION, reverse=descending)


def _read_series(
    reader: Reader, stored: Series, time_range: TimeRange, most: int | None, *, descending: bool
) -> Iterator[tuple[Any, ...]]:
    """Yield the rows of one series: symbol, `as_of`, the price and its details."""
    sql = _BARS if stored.interval else _QUOTES
    for as_of, price, currency, volume, lag in read_rows(
        reader, sql, stored, time_range, descending=descending, most=most
    ):
        known = stored.currency if currency is None else currency or None
        yield stored.symbol, as_of, price, known, volume, stored.provider, lag, stored.interval


def _adjust(row: tuple[Any, ...], adjustment: SplitAdjustment) -> tuple[Any, ...]:
    symbol, as_of, price, *details, interval = row
    return symbol, as_of, adjustment.adjust(price, as_of, is_daily=is_by_date(interval)), *details, interval
