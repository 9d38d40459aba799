"""Databases with the tables of a schema, copied or emptied for each test: to create them anew takes far longer."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import Engine, cast, delete, func, select, text
from sqlalchemy.dialects.postgresql import REGCLASS
from sqlalchemy.engine import URL, make_url

from shared.database.engine import open_engine, opened, writing
from shared.database.schema import Schema, create_schema

# Deleted rows stay in the file of their table, which a TRUNCATE makes new if there are more than this.
_MANY_ROWS = 1000


class _Kept(NamedTuple):
    """Tables on PostgreSQL that are kept for the next test, and the engine that empties them."""

    url: URL
    engine: Engine


class Databases:
    """The databases of one run of pytest. `create_postgresql` returns the URL of an empty schema of PostgreSQL."""

    def __init__(self, folder: Path, create_postgresql: Callable[[], str]) -> None:
        self._folder = folder
        self._create_postgresql = create_postgresql
        self._on_postgresql: dict[str, _Kept] = {}

    def on_sqlite(self, schema: Schema, file: Path) -> URL:
        """Return the URL of a new file with the empty tables of the schema."""
        template = self._folder / f"{schema.name}.db"
        if not template.exists():
            with opened(make_url(f"sqlite:///{template}")) as engine:
                create_schema(engine, schema)
        # With its permissions, which are the owner's alone for alerts.
        shutil.copy2(template, file)
        return make_url(f"sqlite:///{file}")

    def on_postgresql(self, schema: Schema) -> URL:
        """Return the URL of the tables of the schema, emptied. No two tests have them at once."""
        kept = self._on_postgresql.get(schema.name)
        if kept is None:
            url = make_url(self._create_postgresql())
            kept = self._on_postgresql[schema.name] = _Kept(url, open_engine(url))
            create_schema(kept.engine, schema)
        else:
            _empty(kept.engine, schema)
        return kept.url

    def close(self) -> None:
        for kept in self._on_postgresql.values():
            kept.engine.dispose()


def _empty(engine: Engine, schema: Schema) -> None:
    """Bring the tables back to what they were when new. For a few rows DELETE takes far less time than TRUNCATE."""
    tables = schema.metadata.sorted_tables
    with writing(engine) as connection:
        deleted = [connection.execute(delete(table)).rowcount for table in reversed(tables)]
        if max(deleted) > _MANY_ROWS:
            connection.execute(text(f"TRUNCATE {', '.join(table.name for table in tables)} CASCADE"))
        for table in tables:
            if (column := table.autoincrement_column) is not None:
                sequence = cast(func.pg_get_serial_sequence(table.name, column.name), REGCLASS)
                connection.execute(select(func.setval(sequence, 1, False)))
        for statement in schema.first_rows:
            connection.execute(statement)
