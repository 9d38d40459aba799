"""Queries of stored prices, and of the symbols that have any."""

import heapq
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from itertools import dropwhile, islice
from operator import itemgetter
from typing import Any

from shared.database.reader import Reader, open_reader
from shared.database.sqlite.reading import database_exists
from shared.errors import StorageError
from shared.prices import format_price, from_float
from shared.settings import Settings
from shared.times import format_sortable, from_micros, to_micros

PRICE_HISTORY_COLUMNS = ("symbol", "as_of", "price", "currency", "volume", "provider", "observed_at")

_PRICES = """
    SELECT series.symbol, price.as_of, price.price, price.currency, price.volume, series.provider, price.lag
    FROM series JOIN price ON price.series_id = series.id
"""
# Time and provider of a row of `_PRICES`.
_ORDER = itemgetter(1, 5)
_ROWS_PER_PART = 10_000
_NEWEST_OF_SERIES = "price.as_of = (SELECT max(other.as_of) FROM price AS other WHERE other.series_id = series.id)"


@contextmanager
def history_reader(settings: Settings) -> Iterator[Reader]:
    """Yield a reader of the history database. Raises StorageError if there is no history yet."""
    url = settings.history_url
    missing = StorageError(f"there is no history in {url} yet: run ./stockwire up, or ./stockwire consume history")
    if url.sqlite_file and not database_exists(url.sqlite_file):
        # Connecting would create the file.
        raise missing
    with open_reader(url) as reader:
        # The view is created last.
        if not reader.has_table("price_history"):
            raise missing
        yield reader


def read_prices(
    reader: Reader, symbol: str, since: datetime | None = None, until: datetime | None = None, limit: int | None = None
) -> Iterator[dict[str, Any]]:
    """Yield the newest `limit` rows of `price_history` for one symbol with since <= as_of < until, oldest first.

    Prices are exact decimals as text. Times are ISO 8601 text in UTC. The rows are read in parts, so that a reader who
    takes them slowly, such as a pager, does not keep SQLite from shortening its WAL.
    """
    first = None if since is None else to_micros(since)
    end = None if until is None else to_micros(until)
    oldest = None if limit is None else _find_oldest(reader, symbol, first, end, limit)
    if oldest:
        first = oldest[0]
    providers = reader.select("SELECT id, provider FROM series WHERE symbol = :symbol", {"symbol": symbol})
    series = [_read_series(reader, symbol, series_id, provider, first, end) for series_id, provider in providers]
    rows = heapq.merge(*series, key=_ORDER)
    # A provider of the same time may come before the oldest row.
    newest = dropwhile(lambda row: _ORDER(row) < oldest, rows) if oldest else rows
    return map(_readable, islice(newest, limit))


def latest_prices(reader: Reader, symbols: Sequence[str] = ()) -> list[dict[str, Any]]:
    """Return the newest row of `price_history` for each of the symbols (default: all), sorted by symbol."""
    names = {f"symbol_{number}": symbol for number, symbol in enumerate(symbols)}
    condition = _NEWEST_OF_SERIES
    if names:
        condition += f" AND series.symbol IN ({', '.join(f':{name}' for name in names)})"
    sql = f"{_PRICES} WHERE {condition} ORDER BY series.symbol, price.as_of, series.provider"
    # The query returns one row per symbol and provider; the last row of a symbol is its newest.
    return list({row[0]: _readable(row) for row in reader.select(sql, names)}.values())


def stored_symbols(reader: Reader) -> list[dict[str, Any]]:
    """Return first and last `as_of` and the number of rows for each symbol and provider."""
    sql = """
        SELECT series.symbol, series.provider, min(price.as_of), max(price.as_of), count(*)
        FROM series JOIN price ON price.series_id = series.id
        GROUP BY series.symbol, series.provider
        ORDER BY series.symbol, series.provider
    """
    return [
        {
            "symbol": symbol,
            "provider": provider,
            "first": format_sortable(from_micros(first)),
            "last": format_sortable(from_micros(last)),
            "rows": rows,
        }
        for symbol, provider, first, last, rows in reader.select(sql)
    ]


def _find_oldest(reader: Reader, symbol: str, first: int | None, end: int | None, limit: int) -> tuple[int, str] | None:
    """Return time and provider of the oldest of the newest `limit` rows; None if there are not more rows."""
    sql = f"{_PRICES} WHERE series.symbol = :symbol"
    if first is not None:
        sql += " AND price.as_of >= :first"
    if end is not None:
        sql += " AND price.as_of < :end"
    sql += " ORDER BY price.as_of DESC, series.provider DESC LIMIT 1 OFFSET :skipped"
    parameters = {"symbol": symbol, "first": first, "end": end, "skipped": limit - 1}
    found = [_ORDER(row) for row in reader.select(sql, parameters)]
    return found[0] if found else None


def _read_series(
    reader: Reader, symbol: str, series_id: int, provider: str, first: int | None, end: int | None
) -> Iterator[tuple[Any, ...]]:
    """Yield the rows of one provider with first <= as_of < end, oldest first, in the columns of `_PRICES`."""
    sql = "SELECT as_of, price, currency, volume, lag FROM price WHERE series_id = :series_id"
    if end is not None:
        sql += " AND as_of < :end"
    while True:
        part = sql if first is None else f"{sql} AND as_of >= :first"
        parameters = {"series_id": series_id, "first": first, "end": end, "rows": _ROWS_PER_PART}
        rows = list(reader.select(f"{part} ORDER BY as_of LIMIT :rows", parameters))
        for as_of, price, currency, volume, lag in rows:
            yield symbol, as_of, price, currency, volume, provider, lag
        if len(rows) < _ROWS_PER_PART:
            return
        first = rows[-1][0] + 1


def _readable(row: tuple[Any, ...]) -> dict[str, Any]:
    symbol, as_of, price, currency, volume, provider, lag = row
    return {
        "symbol": symbol,
        "as_of": format_sortable(from_micros(as_of)),
        "price": format_price(from_float(price)),
        "currency": currency,
        "volume": volume,
        "provider": provider,
        "observed_at": format_sortable(from_micros(as_of + lag)),
    }
