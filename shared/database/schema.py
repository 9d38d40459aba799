"""Schemas: tables and readable views of them, created if they are missing, on SQLite and PostgreSQL."""

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Engine, Executable, MetaData, Table, inspect, text

from shared.database.engine import POSTGRESQL, reading, redact, sqlite_file, writing
from shared.database.migrations import Migrations, migrate, read_revision, record_revision
from shared.database.revisions import earlier_version, is_latest
from shared.database.sqlite.privacy import make_private
from shared.database.timescaledb import create_hypertables, has_timescaledb
from shared.errors import StorageError, StorageLocked

log = logging.getLogger(__name__)

# Seconds.
MIGRATION_TIMEOUT = 60.0

# SQL that formats whole microseconds since 1970 as ISO 8601 text in UTC, with six digits of fraction so that it sorts.
_INSTANTS = {
    # SQLite's division rounds towards zero, which is up before 1970, so the SQL rounds down explicitly.
    "sqlite": "strftime('%Y-%m-%dT%H:%M:%S', ({0} - (({0} % 1000000) + 1000000) % 1000000) / 1000000, 'unixepoch')"
    " || printf('.%06dZ', (({0} % 1000000) + 1000000) % 1000000)",
    "postgresql": "to_char(timestamp 'epoch' + {0} * interval '1 microsecond', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')",
}


@dataclass(frozen=True)
class Schema:
    """Tables and views.

    `views` has the SELECT of each view by name, in which `{instant[COLUMN]}` becomes SQL that formats an instant as
    text. The statements `first_rows` are run once, after the tables are created. `migrations` change the tables of
    earlier versions. The files of a `private` schema on SQLite are readable by their owner alone. `hypertables` has the
    column of the time, in microseconds, of each table that grows with time; TimescaleDB divides it by that column.
    """

    name: str
    metadata: MetaData
    views: Mapping[str, str]
    first_rows: tuple[Executable, ...] = ()
    migrations: Migrations | None = None
    private: bool = False
    hypertables: Mapping[str, str] = field(default_factory=dict)


def create_schema(engine: Engine, schema: Schema) -> None:
    """Create the schema if it is missing, or migrate it. Several processes may call this at once. Raises StorageError.

    A schema that a later version of Stockwire has migrated is an error.
    """
    dialect = engine.dialect.name
    if dialect not in _INSTANTS:
        raise StorageError(f"database {redact(engine.url)}: Stockwire supports SQLite and PostgreSQL, not {dialect}")
    if schema.private and (file := sqlite_file(engine.url)):
        make_private(file)
    with reading(engine) as connection:
        if is_complete(connection, schema) and _is_current(connection, schema):
            return
    _wait_for_other_processes(lambda: _create_or_migrate(engine, schema))


def _wait_for_other_processes(change: Callable[[], None]) -> None:
    """Make a change of the schema. Another process may be at it, which takes a minute if it migrates a large database.

    Raises StorageLocked if the database is still locked after MIGRATION_TIMEOUT.
    """
    deadline = time.monotonic() + MIGRATION_TIMEOUT
    while True:
        try:
            return change()
        except StorageLocked as error:
            if time.monotonic() > deadline:
                raise
            log.warning("%s; waiting until its schema can be made or migrated", error)
            # SQLite says at once that a file is locked if it cannot wait for the lock.
            time.sleep(0.1)


def _create_or_migrate(engine: Engine, schema: Schema) -> None:
    with writing(engine) as connection:
        if engine.dialect.name == POSTGRESQL:
            lock = text("SELECT pg_advisory_xact_lock(hashtext(:name))")
            connection.execute(lock, {"name": f"stockwire.{schema.name}"})
        if not is_complete(connection, schema):
            _create(connection, schema)
        elif schema.migrations is not None and not _is_current(connection, schema):
            # SQLite cannot replace a table that a view reads.
            for view in reversed([*schema.views]):
                connection.execute(text(f"DROP VIEW IF EXISTS {view}"))
            migrate(connection, schema.name, schema.migrations)
            _create_views(connection, schema)


def has_schema(engine: Engine, schema: Schema, migrating_command: str) -> bool:
    """Return True if the schema exists, and neither create nor migrate it. For commands that only read.

    Raises StorageError, with the command that migrates the database, if an earlier version created it.
    """
    with reading(engine) as connection:
        if not is_complete(connection, schema):
            return False
        if not _is_current(connection, schema):
            raise earlier_version(redact(engine.url), migrating_command)
    return True


def is_complete(connection: Connection, schema: Schema) -> bool:
    """Return True if the schema exists, in its latest or an earlier revision.

    The views are created after the tables, in the same transaction. Every revision has the last one.
    """
    return inspect(connection).has_table([*schema.views][-1])


def insert_into(table: Table, dialect: str) -> Any:
    """Return an INSERT that has `on_conflict_do_update` and `on_conflict_do_nothing`, the same in both dialects."""
    if dialect == "postgresql":
        # Most commands need SQLite alone, and this import takes a tenth of their start.
        from sqlalchemy.dialects import postgresql

        return postgresql.insert(table)
    from sqlalchemy.dialects import sqlite

    return sqlite.insert(table)


def _create(connection: Connection, schema: Schema) -> None:
    schema.metadata.create_all(connection)
    for statement in schema.first_rows:
        connection.execute(statement)
    if schema.migrations is not None:
        record_revision(connection, schema.name, schema.migrations.latest)
    if schema.hypertables and has_timescaledb(connection):
        create_hypertables(connection, schema.hypertables)
    _create_views(connection, schema)


def _create_views(connection: Connection, schema: Schema) -> None:
    instant = _Instants(connection.dialect.name)
    for view, select in schema.views.items():
        connection.execute(text(f"CREATE VIEW {view} AS {select.format(instant=instant)}"))


def _is_current(connection: Connection, schema: Schema) -> bool:
    """Return True if the database has the schema's revision. Raises StorageError if its revision is unknown."""
    if schema.migrations is None:
        return True
    found = read_revision(connection, schema.name)
    return is_latest(found, schema.migrations.latest, redact(connection.engine.url))


class _Instants:
    """SQL that formats an instant as text: `instants["as_of"]` for a column, or any expression in its place."""

    def __init__(self, dialect: str) -> None:
        self._template = _INSTANTS[dialect]

    def __getitem__(self, expression: str) -> str:
        return self._template.format(f"({expression})")
