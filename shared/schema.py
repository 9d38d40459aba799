"""Tables with a view over them that people read, made where they are missing, on SQLite and PostgreSQL alike."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Engine, Executable, MetaData, Table, inspect, text
from sqlalchemy.dialects import postgresql, sqlite

from shared.database import reading, redact, writing
from shared.errors import StorageError

# The two dialects whose INSERT has ON CONFLICT, in the same words.
_INSERTS: Mapping[str, Callable[[Table], Any]] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}

# Whole microseconds since 1970 as ISO 8601 in UTC, always with six digits of fraction, so that the text sorts.
_INSTANTS = {
    # Rounded down by hand, since SQLite's division rounds towards zero, also before 1970.
    "sqlite": "strftime('%Y-%m-%dT%H:%M:%S', ({0} - (({0} % 1000000) + 1000000) % 1000000) / 1000000, 'unixepoch')"
    " || printf('.%06dZ', (({0} % 1000000) + 1000000) % 1000000)",
    "postgresql": "to_char(timestamp 'epoch' + {0} * interval '1 microsecond', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')",
}


@dataclass(frozen=True)
class Schema:
    """`view` is the name of the view, `select` its SELECT, in which `{instant[COLUMN]}` stands for readable text.

    `first_rows` is run once, when the tables are made.
    """

    name: str
    metadata: MetaData
    view: str
    select: str
    first_rows: tuple[Executable, ...] = ()


def create_schema(engine: Engine, schema: Schema) -> None:
    """Make what is missing; several processes may do so at once. Raises StorageError."""
    dialect = engine.dialect.name
    if dialect not in _INSTANTS:
        raise StorageError(
            f"database {redact(engine.url)}: {schema.name} is kept in SQLite or PostgreSQL, not in {dialect}"
        )
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
    """Whether the schema has been made: the view comes last, in the same transaction."""
    return inspect(connection).has_table(schema.view)


def insert_into(table: Table, dialect: str) -> Any:
    """An INSERT that has `on_conflict_do_update` and `on_conflict_do_nothing`."""
    return _INSERTS[dialect](table)


class _Instants:
    """`instants["as_of"]` is SQL that shows the column `as_of` as text; any expression may stand for the column."""

    def __init__(self, dialect: str) -> None:
        self._template = _INSTANTS[dialect]

    def __getitem__(self, expression: str) -> str:
        return self._template.format(f"({expression})")
