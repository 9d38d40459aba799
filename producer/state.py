"""The producer's state, kept across restarts and shared by its processes: one SQLite file in `var`.

Each module declares its tables on this `metadata`.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection, Engine, MetaData, Table, inspect
from sqlalchemy.engine import URL

from shared.database.engine import after_reopening, opened, opened_for_reading, reading, writing
from shared.database.sqlite.reading import database_exists

FILE = "producer.db"
# A file in the same folder. The beat that sends the syncs holds a lock on it.
BEAT_LOCK = "beat.lock"

metadata = MetaData()

_CIRCUIT_KIND = "CASE kind WHEN 'limited' THEN 'rate_limited' WHEN 'refused' THEN 'authentication_failed' ELSE kind END"
# Tables by their former names: the new name, the columns of the new table, and their values if they differ.
_RENAMED_TABLES = {
    "backfilled": ("backfill_progress", "provider, symbol, interval, since, until", None),
    "last_sent": ("last_sync", "market, at", None),
    "spent": ("quota_usage", "account, at, credits", None),
    "asked": ("last_requested", "account, symbol, at", None),
    "circuit": (
        "circuit_breaker",
        "account, half_open, failures, trips, retry_at, kind, reason",
        f"account, NOT proven, failures, pauses, until, {_CIRCUIT_KIND}, reason",
    ),
}


@contextmanager
def open_state(folder: Path) -> Iterator[Engine]:
    """Open the state kept in `folder`; create missing tables and migrate old ones. Raises StorageError."""
    with opened(URL.create("sqlite", database=str(folder / FILE))) as engine:
        _create_tables(engine)
        after_reopening(engine, lambda: _create_tables(engine))
        yield engine


@contextmanager
def open_state_for_reading(folder: Path, table: Table) -> Iterator[Connection | None]:
    """Yield a connection that reads the table, or None if there is no such table yet.

    Creates no file, and needs write permission only if an old table has to be migrated first. Raises StorageError.
    """
    path = folder / FILE
    if not database_exists(path):
        yield None
        return
    with opened_for_reading(URL.create("sqlite", database=str(path))) as engine, reading(engine) as connection:
        migrates = any(_RENAMED_TABLES[old][0] == table.name for old in _tables_to_migrate(connection))
        if not migrates:
            yield connection if table.name in _table_names(connection) else None
            return
    with open_state(folder) as engine, reading(engine) as connection:
        yield connection


def _create_tables(engine: Engine) -> None:
    with reading(engine) as connection:
        if _is_up_to_date(connection):
            return
    with writing(engine) as connection:
        metadata.create_all(connection)
        _migrate_tables(connection)


def _is_up_to_date(connection: Connection) -> bool:
    return metadata.tables.keys() <= _table_names(connection) and not _tables_to_migrate(connection)


def _migrate_tables(connection: Connection) -> None:
    """Move the rows of old tables into the new ones. A row that the new table already has wins."""
    for old in _tables_to_migrate(connection):
        new, columns, values = _RENAMED_TABLES[old]
        connection.exec_driver_sql(f"INSERT OR IGNORE INTO {new} ({columns}) SELECT {values or columns} FROM {old}")  # noqa: S608
        connection.exec_driver_sql(f"DROP TABLE {old}")


def _tables_to_migrate(connection: Connection) -> list[str]:
    """Return the old tables whose new table this process knows; the others are left to a process that knows them."""
    names = _table_names(connection)
    return [old for old, (new, *_) in _RENAMED_TABLES.items() if old in names and new in metadata.tables]


def _table_names(connection: Connection) -> set[str]:
    return set(inspect(connection).get_table_names())
