"""The prices that the bench `query` asks for: a year of 500 symbols, in three databases."""

import sqlite3
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from sqlalchemy.engine import URL

from benchmarks.generated_prices import PROVIDER, SYMBOLS
from shared.times import format_sortable, from_micros, to_micros

START = datetime(2025, 1, 1, tzinfo=UTC)
YEAR = timedelta(days=365)
DAY = START + timedelta(days=200)
# A symbol in the middle of the file.
SYMBOL = SYMBOLS[250]

# As many as the history consumer commits at once.
_BATCH = 2_000

OBVIOUS_TABLE = """
    CREATE TABLE prices (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        symbol TEXT NOT NULL,
        time TEXT NOT NULL,
        price REAL NOT NULL,
        currency TEXT,
        volume INTEGER,
        provider TEXT NOT NULL,
        observed_at TEXT NOT NULL
    );
    CREATE INDEX prices_symbol ON prices (symbol);
"""


class StoredPrice(NamedTuple):
    """A quote. `symbol` is a place in SYMBOLS; times are in microseconds since 1970."""

    symbol: int
    as_of: int
    price: float
    volume: int
    lag: int


def stored_prices(rows: int) -> Iterator[StoredPrice]:
    """Yield the same prices in every run, as they arrive: one of each symbol in turn, over a year."""
    each = rows // len(SYMBOLS)
    start, step = to_micros(START), YEAR // timedelta(microseconds=1) // each
    for number in range(each):
        for symbol in range(len(SYMBOLS)):
            # Large primes make digits that differ as those of real prices do.
            jitter = (number * 7_919 + symbol * 104_729) % 1_000_000
            price = (10_000 + (number * 31 + symbol * 97 + jitter) % 5_000) / 100
            volume = 1_000_000 + (number * 15_485_863 + symbol * 32_452_843) % 90_000_000
            yield StoredPrice(symbol, start + number * step + jitter % step, price, volume, 2_000_000 + jitter)


def fill_history(path: Path, rows: int) -> None:
    """Store the prices as the history consumer does: in batches of 2,000, each in the order of its keys."""
    from consumers.history.tables import SCHEMA
    from shared.database.engine import opened
    from shared.database.schema import create_schema

    with opened(URL.create("sqlite", database=str(path))) as engine:
        create_schema(engine, SCHEMA)
    with sqlite3.connect(path) as connection:
        names = ((number + 1, symbol, PROVIDER) for number, symbol in enumerate(SYMBOLS))
        insert = "INSERT INTO series (id, symbol, provider, currency) VALUES (?, ?, ?, 'USD')"
        connection.executemany(insert, names)
    connection.close()
    insert = "INSERT INTO quote (series_id, as_of, price, volume, lag) VALUES (?, ?, ?, ?, ?)"
    _insert(path, insert, rows, lambda each: (each.symbol + 1, *each[1:]))


def fill_obvious_table(path: Path, rows: int) -> None:
    with sqlite3.connect(path) as connection:
        connection.executescript(OBVIOUS_TABLE)
    connection.close()
    insert = (
        "INSERT INTO prices (symbol, time, price, currency, volume, provider, observed_at)"
        " VALUES (?, ?, ?, 'USD', ?, ?, ?)"
    )
    _insert(path, insert, rows, _obvious_row)


def fill_duckdb(path: Path, history: Path) -> None:
    """Copy the series and the quotes of the history into a file of DuckDB, in the order of symbol and time."""
    from benchmarks.query_sides import attached_history

    connection = attached_history(history, path)
    connection.execute("CREATE TABLE series AS SELECT * FROM history.series")
    connection.execute("CREATE TABLE quote AS SELECT * FROM history.quote ORDER BY series_id, as_of")
    connection.close()


def _obvious_row(each: StoredPrice) -> tuple[Any, ...]:
    time, observed = (format_sortable(from_micros(micros)) for micros in (each.as_of, each.as_of + each.lag))
    return SYMBOLS[each.symbol], time, each.price, each.volume, PROVIDER, observed


def _insert(path: Path, sql: str, rows: int, make: Callable[[StoredPrice], tuple[Any, ...]]) -> None:
    connection = sqlite3.connect(path)
    # A file that can be made again needs no protection from a power loss.
    connection.execute("PRAGMA synchronous=OFF")
    prices = stored_prices(rows)
    while batch := sorted(islice(prices, _BATCH)):
        with connection:
            connection.executemany(sql, map(make, batch))
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
