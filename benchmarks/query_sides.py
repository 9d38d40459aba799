"""The sides of the bench `query`: three questions, each answered as Python rows."""

import sqlite3
import statistics
import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from benchmarks.side_process import Job
from benchmarks.stored_prices import DAY, START, SYMBOL, YEAR
from shared.times import format_sortable, to_micros

Rows = Sequence[tuple[Any, ...]]
# Each question answers with rows whose first values are compared between the sides.
Question = Callable[[], Rows]

# A side answers each question so often, and for so many seconds at most; the median counts.
_MOST_ANSWERS = 15
_MOST_SECONDS = 10.0

_NEXT_DAY = DAY + timedelta(days=1)
_END = START + YEAR

_OBVIOUS_NEWEST = "SELECT symbol, price, max(time) FROM prices GROUP BY symbol ORDER BY symbol"
_OBVIOUS_DAY = "SELECT price, time, volume FROM prices WHERE symbol = ? AND time >= ? AND time < ? ORDER BY time"
_OBVIOUS_YEAR = """
    SELECT close, open, high, low, samples, day FROM (
        SELECT substr(time, 1, 10) AS day, first_value(price) OVER w AS open, last_value(price) OVER w AS close,
               max(price) OVER w AS high, min(price) OVER w AS low, count(*) OVER w AS samples,
               row_number() OVER w AS number
        FROM prices WHERE symbol = :symbol AND time >= :since AND time < :until
        WINDOW w AS (PARTITION BY substr(time, 1, 10) ORDER BY time
                     ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING)
    ) WHERE number = 1 ORDER BY day
"""
_DUCKDB_NEWEST = """
    SELECT symbol, arg_max(price, as_of), max(as_of) FROM {0}quote JOIN {0}series ON series.id = quote.series_id
    GROUP BY symbol ORDER BY symbol
"""
_DUCKDB_DAY = """
    SELECT price, as_of, volume FROM {0}quote JOIN {0}series ON series.id = quote.series_id
    WHERE symbol = ? AND as_of >= ? AND as_of < ? ORDER BY as_of
"""
_DUCKDB_YEAR = """
    SELECT arg_max(price, as_of), arg_min(price, as_of), max(price), min(price), count(*), as_of // 86400000000 AS day
    FROM {0}quote JOIN {0}series ON series.id = quote.series_id
    WHERE symbol = ? AND as_of >= ? AND as_of < ? GROUP BY day ORDER BY day
"""


def ours(job: Job) -> list[list[float]]:
    """Ask the queries that the command line, the API and Python share."""
    from consumers.history.python_api import open_history

    with open_history(job.database) as history:
        return _ask(
            lambda: [(row.symbol, float(row.price), row) for row in history.latest()],
            lambda: [(float(row.price), row) for row in history.prices(SYMBOL, since=DAY, until=_NEXT_DAY)],
            lambda: [
                (float(row.close), float(row.open), float(row.high), float(row.low), row.samples)
                for row in history.candles(SYMBOL, every="1d", since=START, until=_END)
            ],
        )


def obvious(job: Job) -> list[list[float]]:
    """Ask the table that most people would make first."""
    connection = sqlite3.connect(job.database)
    year = {"symbol": SYMBOL, "since": format_sortable(START), "until": format_sortable(_END)}
    day = (SYMBOL, format_sortable(DAY), format_sortable(_NEXT_DAY))
    try:
        return _ask(
            lambda: connection.execute(_OBVIOUS_NEWEST).fetchall(),
            lambda: connection.execute(_OBVIOUS_DAY, day).fetchall(),
            lambda: connection.execute(_OBVIOUS_YEAR, year).fetchall(),
        )
    finally:
        connection.close()


def duckdb_on_sqlite(job: Job) -> list[list[float]]:
    """Ask DuckDB, which reads the history's own SQLite file."""
    return _ask_duckdb(attached_history(Path(job.database)), "history.")


def duckdb_table(job: Job) -> list[list[float]]:
    """Ask a table of DuckDB's own with the same rows."""
    import duckdb

    return _ask_duckdb(duckdb.connect(job.database, read_only=True), "")


def attached_history(history: Path, database: Path | None = None) -> Any:
    """Return a connection of DuckDB with the SQLite file as `history`."""
    import duckdb
    import duckdb_extension_sqlite_scanner as scanner

    folder = Path(str(scanner.__file__)).parent
    [extension] = folder.rglob(f"v{duckdb.__version__}/*.duckdb_extension")
    connection = duckdb.connect(str(database or ":memory:"))
    connection.load_extension(str(extension))
    connection.execute(f"ATTACH '{history}' AS history (TYPE sqlite, READ_ONLY)")
    return connection


def _ask_duckdb(connection: Any, tables: str) -> list[list[float]]:
    day = [SYMBOL, to_micros(DAY), to_micros(_NEXT_DAY)]
    year = [SYMBOL, to_micros(START), to_micros(_END)]
    try:
        return _ask(
            lambda: connection.execute(_DUCKDB_NEWEST.format(tables)).fetchall(),
            lambda: connection.execute(_DUCKDB_DAY.format(tables), day).fetchall(),
            lambda: connection.execute(_DUCKDB_YEAR.format(tables), year).fetchall(),
        )
    finally:
        connection.close()


def _ask(newest: Question, day: Question, year: Question) -> list[list[float]]:
    """Return for each question the median of milliseconds, the number of rows, and a sum that tells wrong answers."""
    return [
        _measure(newest, lambda row: row[1]),
        _measure(day, lambda row: row[0]),
        _measure(year, lambda row: sum(row[:5])),
    ]


def _measure(question: Question, value: Callable[[tuple[Any, ...]], float]) -> list[float]:
    rows = question()
    times: list[float] = []
    deadline = time.monotonic() + _MOST_SECONDS
    while len(times) < _MOST_ANSWERS and (not times or time.monotonic() < deadline):
        begin = time.perf_counter()
        rows = question()
        times.append((time.perf_counter() - begin) * 1_000)
    return [statistics.median(times), len(rows), round(sum(map(value, rows)), 4)]
