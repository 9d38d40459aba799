"""Queries of stored prices, and of the symbols that have any."""

import heapq
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from itertools import dropwhile, islice
from operator import itemgetter
from typing import Any, NamedTuple

from consumers.history.migrations import LATEST_REVISION
from consumers.history.splits import SplitAdjustment
from shared.database.reader import Reader, check_revision, open_reader
from shared.database.sqlite.reading import database_exists
from shared.errors import StorageError
from shared.prices import format_price, from_float
from shared.settings import Settings
from shared.times import format_sortable, from_micros, is_intraday, to_micros

PRICE_HISTORY_COLUMNS = ("symbol", "as_of", "price", "currency", "volume", "provider", "observed_at", "interval")

_QUOTES = "SELECT as_of, price, currency, volume, lag FROM quote WHERE series_id = :series_id"
_BARS = "SELECT as_of, close, currency, volume, lag FROM bar WHERE series_id = :series_id"
_COUNTS = """
    SELECT symbol, provider, interval, min(as_of), max(as_of), count(*)
    FROM series JOIN {table} ON {table}.series_id = series.id
    GROUP BY symbol, provider, interval
"""
# Time, provider and interval of a row, which sort the rows of a symbol.
_ORDER = itemgetter(1, 5, 7)
_ROWS_PER_PART = 10_000


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
    providers: Collection[str] | None = None,
    adjustment: SplitAdjustment | None = None,
) -> Iterator[dict[str, Any]]:
    """Yield the newest `limit` rows of `price_history` for one symbol with since <= as_of < until, oldest first.

    With `providers`, only their rows. Prices are decimals as text, exact unless there is an `adjustment` for splits.
    Times are ISO 8601 text in UTC. The rows are read in parts, so that a reader who takes them slowly, such as a pager,
    does not keep SQLite from shortening its WAL.
    """
    first = None if since is None else to_micros(since)
    end = None if until is None else to_micros(until)
    stored = find_series(reader, symbol, providers)
    oldest = None if limit is None else _find_oldest(reader, stored, first, end, limit)
    if oldest:
        first = oldest[0]
    rows = heapq.merge(*(_read_series(reader, each, first, end) for each in stored), key=_ORDER)
    # Another series of the same time may come before the oldest row.
    newest = dropwhile(lambda row: _ORDER(row) < oldest, rows) if oldest else rows
    return (_readable(row, adjustment) for row in islice(newest, limit))


def latest_prices(reader: Reader, symbols: Sequence[str] = ()) -> list[dict[str, Any]]:
    """Return the newest row of `price_history` for each of the symbols (default: all), sorted by symbol."""
    names = {f"symbol_{number}": symbol for number, symbol in enumerate(symbols)}
    sql = "SELECT * FROM latest_prices"
    if names:
        sql += f" WHERE symbol IN ({', '.join(f':{name}' for name in names)})"
    rows = reader.select(sql, names)
    found = sorted((dict(zip(PRICE_HISTORY_COLUMNS, row, strict=True)) for row in rows), key=itemgetter("symbol"))
    return [{**row, "price": format_price(from_float(row["price"]))} for row in found]


def stored_symbols(reader: Reader) -> list[dict[str, Any]]:
    """Return first and last `as_of` and the number of rows for each symbol, provider and interval."""
    rows = [*reader.select(_COUNTS.format(table="quote")), *reader.select(_COUNTS.format(table="bar"))]
    return [
        {
            "symbol": symbol,
            "provider": provider,
            "interval": interval or None,
            "first": format_sortable(from_micros(first)),
            "last": format_sortable(from_micros(last)),
            "rows": count,
        }
        for symbol, provider, interval, first, last, count in sorted(rows)
    ]


class Series(NamedTuple):
    """A stored series: the quotes of a symbol from one provider, or its bars of one length, which is `interval`.

    `bar_offset` is the time in microseconds from the start of a bar to its `as_of`.
    """

    id: int
    symbol: str
    provider: str
    interval: str
    bar_offset: int
    currency: str | None


def find_series(reader: Reader, symbol: str, providers: Collection[str] | None = None) -> list[Series]:
    """Return the series of a symbol, of some providers if given."""
    sql = "SELECT id, symbol, provider, interval, bar_offset, currency FROM series WHERE symbol = :symbol"
    found = [Series(*row) for row in reader.select(sql, {"symbol": symbol})]
    return [each for each in found if providers is None or each.provider in providers]


def _find_oldest(
    reader: Reader, stored: Sequence[Series], first: int | None, end: int | None, limit: int
) -> tuple[int, str, str] | None:
    """Return the order of the oldest of the newest `limit` rows; None if there are not more rows."""
    rows = (_read_series(reader, each, first, end, newest_first=True) for each in stored)
    newest = heapq.merge(*rows, key=_ORDER, reverse=True)
    return next(map(_ORDER, islice(newest, limit - 1, None)), None)


def _read_series(
    reader: Reader, stored: Series, first: int | None, end: int | None, *, newest_first: bool = False
) -> Iterator[tuple[Any, ...]]:
    """Yield the rows of one series with first <= as_of < end: symbol, `as_of`, the price and its details."""
    rows = read_rows(reader, _BARS if stored.interval else _QUOTES, stored, first, end, newest_first=newest_first)
    for as_of, price, currency, volume, lag in rows:
        known = stored.currency if currency is None else currency or None
        yield stored.symbol, as_of, price, known, volume, stored.provider, lag, stored.interval


def read_rows(
    reader: Reader, sql: str, stored: Series, first: int | None, end: int | None, *, newest_first: bool = False
) -> Iterator[tuple[Any, ...]]:
    """Yield the rows of a series with first <= as_of < end, which is their first column, in parts.

    So a reader who takes them slowly keeps no snapshot of the database.
    """
    direction = "DESC" if newest_first else "ASC"
    while True:
        part = sql if first is None else f"{sql} AND as_of >= :first"
        if end is not None:
            part += " AND as_of < :end"
        parameters = {"series_id": stored.id, "first": first, "end": end, "rows": _ROWS_PER_PART}
        rows = list(reader.select(f"{part} ORDER BY as_of {direction} LIMIT :rows", parameters))
        yield from rows
        if len(rows) < _ROWS_PER_PART:
            return
        if newest_first:
            end = rows[-1][0]
        else:
            first = rows[-1][0] + 1


def _readable(row: tuple[Any, ...], adjustment: SplitAdjustment | None) -> dict[str, Any]:
    symbol, as_of, price, currency, volume, provider, lag, interval = row
    if adjustment is not None:
        price = adjustment.adjust(price, as_of, is_daily=bool(interval) and not is_intraday(interval))
    return {
        "symbol": symbol,
        "as_of": format_sortable(from_micros(as_of)),
        "price": format_price(from_float(price)),
        "currency": currency,
        "volume": volume,
        "provider": provider,
        "observed_at": format_sortable(from_micros(as_of + lag)),
        "interval": interval or None,
    }
