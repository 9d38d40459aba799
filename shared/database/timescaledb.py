"""Hypertables: tables that the extension TimescaleDB of PostgreSQL divides by time.

Source: https://www.tigerdata.com/docs/reference/timescaledb/hypertables/create_hypertable
"""

import logging
from collections.abc import Mapping

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from shared.database.sqlite.errors import first_line

log = logging.getLogger(__name__)

# Microseconds: a week of prices per part of a table.
CHUNK_INTERVAL = 7 * 86_400 * 10**6

_EXTENSION = text("SELECT EXISTS (SELECT 1 FROM pg_extension WHERE extname = 'timescaledb')")
# The table is empty. Its primary key has the time already, so it needs no other index by time.
_CREATE = text(
    "SELECT create_hypertable(CAST(:name AS regclass), CAST(:column AS name),"
    " chunk_time_interval => CAST(:interval AS bigint), create_default_indexes => false)"
)


def has_timescaledb(connection: Connection) -> bool:
    """Return True if the extension is installed in this database."""
    return connection.dialect.name == "postgresql" and bool(connection.scalar(_EXTENSION))


def create_hypertables(connection: Connection, tables: Mapping[str, str]) -> None:
    """Divide each of these empty tables by its column of time. A table that TimescaleDB refuses stays a plain one."""
    for name, column in tables.items():
        try:
            with connection.begin_nested():
                connection.execute(_CREATE, {"name": name, "column": column, "interval": CHUNK_INTERVAL})
        except DBAPIError as error:
            log.warning("the table %s is not a hypertable: %s", name, first_line(error.orig))
