"""The alerts database of the settings, or of another URL, opened for commands and for the API."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Engine

from consumers.alerts.tables import SCHEMA
from shared.database.engine import opened, opened_for_reading
from shared.database.schema import create_schema, has_schema
from shared.database.sqlite.reading import database_exists
from shared.database.url import DatabaseUrl
from shared.settings import load_settings


@contextmanager
def open_alerts_database(url: DatabaseUrl | None = None) -> Iterator[Engine]:
    """Yield the alerts database for changes, created or migrated if necessary. Raises StorageError."""
    with opened((url or load_settings().alerts_url).engine_url) as engine:
        create_schema(engine, SCHEMA)
        yield engine


@contextmanager
def open_stored_alerts(url: DatabaseUrl | None = None) -> Iterator[Engine | None]:
    """Yield the alerts database for reading, or None if there is none yet. Creates no file.

    Raises StorageError, also if the database must be migrated first.
    """
    url = url or load_settings().alerts_url
    if url.sqlite_file and not database_exists(url.sqlite_file):
        yield None
        return
    with opened_for_reading(url.engine_url) as engine:
        exists = has_schema(engine, SCHEMA, "./stockwire up or ./stockwire consume alerts")
        yield engine if exists else None
