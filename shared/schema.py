"""Schemas: tables and a readable view over them, created if they are missing, on SQLite and PostgreSQL."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Engine, Executable, MetaData, Table, inspect, text

from shared.database import reading, redact, writing
from shared.errors import StorageError

# SQL that formats whole microseconds since 1970 as ISO 8601 text in UTC, with six digits of fraction so that it sorts.
_INSTANTS = {
    # SQLite's division rounds towards zero, which is up before 1970, so the SQL rounds down explicitly.
    "sqlite": "strftime('%Y-%m-%dT%H:%M:%S', ({0} - (({0} % 1000000) + 1000000) % 1000000) / 1000000, 'unixepoch')"
    " || printf('.%06dZ', (({0} % 1000000) + 1000000) % 1000000)",
    "postgresql": "to_char(timestamp 'epoch' + {0} * interval '1 microsecond', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')",
}


@dataclass(frozen=True)
class Schema:
    """Tables and one view.

    `select` is the view's SELECT, in which `{instant[COLUMN]}` becomes SQL that formats an instant as text. The
    statements `first_rows` are run once, after the tables are created.
    """

    name: str
    metadata: MetaData
    view: str
    select: str
    first_rows: tuple[Executable, ...] = ()


def create_schema(engine: Engine, schema: Schema) -> None:
    """Create the schema if it is missing. Several processes may call this at once. Raises StorageError."""
    dialect = engine.dialect.name
    if dialect not in _INSTANTS:
        raise StorageError(f"database {redact(engine.url)}: Stockwire supports SQLite and PostgreSQL, not {dialect}")
    with reading(engine) as connection:
        if is_complete(connection, schema):
            return
    with writing(engine) as connection:
        if dialect == "postgresql":
            lock = text("SELECT pg_advisory_xact_lock(hashtext(:name))")
            connection.execute(lock, {"name": f"stockwire.{schema.name}"})
        if not is_complete(connection, schema):
            schema.metadata.create_all(connection)
            for statement in schema.first_rows:
                connection.execute(statement)
            select = schema.select.format(instant=_Instants(dialect))
            connection.execute(text(f"CREATE VIEW {schema.view} AS {select}"))


def is_complete(connection: Connection, schema: Schema) -> bool:
    """Return True if the schema exists. The view is created last, in the same transaction as the tables."""
    return inspect(connection).has_table(schema.view)


def insert_into(table: Table, dialect: str) -> Any:
    """Return an INSERT that has `on_conflict_do_update` and `on_conflict_do_nothing`, the same in both dialects."""
    if dialect == "postgresql":
        # Most commands need SQLite alone, and this import takes a tenth of their start.
        from sqlalchemy.dialects import postgresql

        return postgresql.insert(table)
    from sqlalchemy.dialects import sqlite

    return sqlite.insert(table)


class _Instants:
    """SQL that formats an instant as text: `instants["as_of"]` for a column, or any expression in its place."""

    def __init__(self, dialect: str) -> None:
        self._template = _INSTANTS[dialect]

    def __getitem__(self, expression: str) -> str:
        return self._template.format(f"({expression})")
