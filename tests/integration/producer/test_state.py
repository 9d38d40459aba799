"""Migration of an existing producer.db, on a real SQLite file."""

import sqlite3
import threading
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from producer.backfill.progress import forget_progress, load_progress
from producer.market_hours import LastSync
from producer.providers.base import Interval
from producer.providers.http.circuit_breaker import CircuitBreaker, load_circuit_breaker
from producer.providers.http.quota import read_usage
from producer.providers.http.request_order import last_requested
from producer.state import FILE, open_state
from producer.watch_list import WatchListEditor, load_changes
from shared.database.engine import reading, writing
from shared.errors import StockwireError, StorageReopened
from shared.times import to_micros

AT = datetime(2024, 11, 20, 10, tzinfo=UTC)
SINCE = datetime(2024, 1, 1, tzinfo=UTC)

# The tables as the last release created them.
FORMER_SCHEMA = """
CREATE TABLE backfilled (
    provider TEXT NOT NULL, symbol TEXT NOT NULL, interval TEXT NOT NULL, since BIGINT NOT NULL, until BIGINT NOT NULL,
    PRIMARY KEY (provider, symbol, interval)
) WITHOUT ROWID;
CREATE TABLE last_sent (market TEXT NOT NULL, at BIGINT NOT NULL, PRIMARY KEY (market));
CREATE TABLE watch_changes (
    id INTEGER NOT NULL, symbol TEXT NOT NULL, added BOOLEAN NOT NULL, PRIMARY KEY (id), UNIQUE (symbol)
);
CREATE TABLE spent (
    id INTEGER NOT NULL, account TEXT NOT NULL, at BIGINT NOT NULL, credits INTEGER NOT NULL, PRIMARY KEY (id)
);
CREATE INDEX spent_by_account ON spent (account, at);
CREATE TABLE circuit (
    account TEXT NOT NULL, proven BOOLEAN NOT NULL, failures INTEGER NOT NULL, pauses INTEGER NOT NULL, until BIGINT,
    kind TEXT NOT NULL, reason TEXT NOT NULL, PRIMARY KEY (account)
);
CREATE TABLE asked (
    account TEXT NOT NULL, symbol TEXT NOT NULL, at BIGINT NOT NULL, PRIMARY KEY (account, symbol)
) WITHOUT ROWID;
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a producer.db of the last release, with a row or two in each table."""
    at, since = to_micros(AT), to_micros(SINCE)
    with closing(sqlite3.connect(tmp_path / FILE)) as database, database:
        database.executescript(FORMER_SCHEMA)
        database.execute("INSERT INTO backfilled VALUES ('yahoo', 'BRK.B', '1d', ?, ?)", (since, at))
        database.execute("INSERT INTO last_sent VALUES ('XNYS', ?)", (at,))
        database.execute("INSERT INTO watch_changes (symbol, added) VALUES ('TSLA', 1), ('IBM', 1), ('MSFT', 0)")
        for second in range(3):
            database.execute("INSERT INTO spent (account, at, credits) VALUES ('yahoo:1', ?, 2)", (at + second,))
        database.execute("INSERT INTO circuit VALUES ('a', 1, 0, 0, NULL, 'failing', '')")
        database.execute("INSERT INTO circuit VALUES ('b', 0, 7, 2, ?, 'limited', 'answers 429')", (at,))
        database.execute("INSERT INTO circuit VALUES ('c', 0, 0, 0, ?, 'refused', 'wrong key')", (at,))
        database.execute("INSERT INTO asked VALUES ('yahoo:1', 'AAPL', ?)", (at,))
    return tmp_path


def select(folder: Path, statement: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(folder / FILE)) as database, database:
        return database.execute(statement).fetchall()


def test_progress_last_sync_and_watch_list_survive_the_new_names(folder: Path) -> None:
    with open_state(folder) as engine, reading(engine) as connection:
        assert load_progress(connection, "yahoo", Interval.DAY) == {"BRK.B": (SINCE, AT)}
    assert LastSync(folder, "XNYS").read() == AT
    changes = load_changes(folder)
    assert (changes.added, changes.removed) == (("TSLA", "IBM"), ("MSFT",))
    tables = {name for (name,) in select(folder, "SELECT name FROM sqlite_master WHERE type = 'table'")}
    assert not {"backfilled", "last_sent"} & tables


def test_quota_circuit_breakers_and_request_order_survive_the_new_names(folder: Path) -> None:
    with open_state(folder) as engine, reading(engine) as connection:
        assert sum(amount for _, amount in read_usage(connection, "yahoo:1")) == 6
        assert load_circuit_breaker(connection, "a") == CircuitBreaker(half_open=False)
        limited = CircuitBreaker(True, 7, 2, AT, "rate_limited", "answers 429")
        assert load_circuit_breaker(connection, "b") == limited
        rejected = CircuitBreaker(True, 0, 0, AT, "authentication_failed", "wrong key")
        assert load_circuit_breaker(connection, "c") == rejected
        assert connection.execute(last_requested.select()).all() == [("yahoo:1", "AAPL", to_micros(AT))]
    tables = {name for (name,) in select(folder, "SELECT name FROM sqlite_master WHERE type = 'table'")}
    assert not {"spent", "circuit", "asked"} & tables


def test_a_row_that_the_new_table_already_has_wins(folder: Path) -> None:
    with open_state(folder) as engine, writing(engine) as connection:
        # A process of the former release that still runs creates its table again.
        connection.exec_driver_sql("CREATE TABLE backfilled (provider, symbol, interval, since, until)")
        connection.exec_driver_sql("INSERT INTO backfilled VALUES ('yahoo', 'BRK.B', '1d', 1, 2)")
        connection.exec_driver_sql("INSERT INTO backfilled VALUES ('yahoo', 'AAPL', '1d', 0, 86400000000)")
    with open_state(folder) as engine, reading(engine) as connection:
        progress = load_progress(connection, "yahoo", Interval.DAY)
    assert progress["BRK.B"] == (SINCE, AT)
    assert progress["AAPL"] == (datetime(1970, 1, 1, tzinfo=UTC), datetime(1970, 1, 2, tzinfo=UTC))


def test_processes_that_start_at_once_migrate_once(folder: Path) -> None:
    errors: list[StockwireError] = []

    def start(symbol: str) -> None:
        try:
            with open_state(folder) as engine, writing(engine) as connection:
                editor = WatchListEditor(connection, ["AAPL"])
                editor.add(symbol)
                editor.save()
        except StockwireError as error:
            errors.append(error)

    threads = [threading.Thread(target=start, args=(f"S{number}",)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert len(load_changes(folder).added) == 10
    with open_state(folder) as engine, reading(engine) as connection:
        assert load_progress(connection, "yahoo", Interval.DAY) == {"BRK.B": (SINCE, AT)}


def test_a_removed_file_is_made_again_with_its_tables(tmp_path: Path) -> None:
    with open_state(tmp_path) as engine:
        for suffix in ("", "-wal", "-shm"):
            (tmp_path / f"{FILE}{suffix}").unlink()
        with pytest.raises(StorageReopened), writing(engine):
            pass
        with writing(engine) as connection:
            forget_progress(connection, ["AAPL"], Interval.DAY)
    assert (tmp_path / FILE).exists()
