"""Queries of all stored symbols: the newest price of each, and from when to when there are prices.

They seek in each series by the primary key, so they take the same time for any number of prices.
"""

from collections.abc import Sequence
from typing import Any

from consumers.history.queries.rows import PriceRow, SymbolRow
from shared.database.reader import Reader
from shared.times import from_micros

_NEWEST = """
    SELECT symbol, {table}.as_of, {price},
           CASE WHEN {table}.currency IS NULL THEN series.currency ELSE nullif({table}.currency, '') END,
           volume, provider, lag, interval
    FROM series CROSS JOIN {table}
    WHERE {table}.series_id = series.id
      AND {table}.as_of = (SELECT max(newest.as_of) FROM {table} AS newest WHERE newest.series_id = series.id)
"""
_ENDS = """
    SELECT symbol, provider, interval,
           (SELECT min(as_of) FROM {table} WHERE series_id = series.id),
           (SELECT max(as_of) FROM {table} WHERE series_id = series.id),
           {count}
    FROM series WHERE {series}
"""
_COUNT = "(SELECT count(*) FROM {table} WHERE series_id = series.id)"
# The table of a series, the column of the price, and the condition of the series in it.
_TABLES = (("quote", "price", "interval = ''"), ("bar", "close", "interval <> ''"))


def latest_prices(reader: Reader, symbols: Sequence[str] = ()) -> list[PriceRow]:
    """Return the row of `latest_prices` for each of the symbols (default: all), sorted by symbol."""
    names = {f"symbol_{number}": symbol for number, symbol in enumerate(dict.fromkeys(symbols))}
    where = f" AND symbol IN ({', '.join(f':{name}' for name in names)})" if names else ""
    newest: dict[str, tuple[Any, ...]] = {}
    for table, price, _ in _TABLES:
        for row in reader.select(_NEWEST.format(table=table, price=price) + where, names):
            known = newest.get(row[0])
            if known is None or _is_newer(row, known):
                newest[row[0]] = row
    return [PriceRow.of_stored(newest[symbol]) for symbol in sorted(newest)]


def stored_symbols(reader: Reader, *, count: bool = False) -> list[SymbolRow]:
    """Return first and last `as_of` of each symbol, provider and interval, and with `count` the number of rows."""
    found = []
    for table, _, condition in _TABLES:
        number = _COUNT.format(table=table) if count else "NULL"
        found += list(reader.select(_ENDS.format(table=table, count=number, series=condition)))
    return [
        SymbolRow(symbol, provider, interval or None, from_micros(first), from_micros(last), rows)
        for symbol, provider, interval, first, last, rows in sorted(found, key=lambda row: row[:3])
        # A series without prices has none left.
        if first is not None
    ]


def _is_newer(row: tuple[Any, ...], other: tuple[Any, ...]) -> bool:
    """Compare as the view `latest_prices` does: at the same time, quotes win over bars."""
    _, as_of, *_, provider, _, interval = row
    _, other_as_of, *_, other_provider, _, other_interval = other
    if as_of != other_as_of:
        return bool(as_of > other_as_of)
    return bool(interval < other_interval or (interval == other_interval and provider > other_provider))
