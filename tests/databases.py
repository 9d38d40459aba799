"""Databases with the tables of a schema, copied or emptied for each test: to create them anew takes far longer."""

import shutil
from collections.abc import Callable
from pathlib import Path

from sqlalchemy import text
from sqlalchemy.engine import URL, make_url

from shared.database.engine import opened, writing
from shared.database.schema import Schema, create_schema


class Databases:
    """The databases of one run of pytest. `create_postgresql` returns the URL of an empty schema of PostgreSQL."""

    def __init__(self, folder: Path, create_postgresql: Callable[[], str]) -> None:
        self._folder = folder
        self._create_postgresql = create_postgresql
        self._on_postgresql: dict[str, URL] = {}

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
        url = self._on_postgresql.get(schema.name)
        if url is None:
            url = self._on_postgresql[schema.name] = make_url(self._create_postgresql())
            with opened(url) as engine:
                create_schema(engine, schema)
            return url
        names = ", ".join(table.name for table in schema.metadata.sorted_tables)
        with opened(url) as engine, writing(engine) as connection:
            connection.execute(text(f"TRUNCATE {names} RESTART IDENTITY CASCADE"))
            for statement in schema.first_rows:
                connection.execute(statement)
        return url
