"""The doctor's checks of a database: rights, integrity, encoding, and the revision of its tables."""

from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import Column, Connection, Engine, Integer, MetaData, Table, insert, text

from shared.database.engine import POSTGRESQL, opened, reading, writing
from shared.database.migrations import read_revision
from shared.database.revisions import is_latest
from shared.database.schema import Schema, is_complete
from shared.database.sqlite.damage import find_damage_quickly
from shared.database.sqlite.errors import damaged
from shared.database.timescaledb import has_timescaledb
from shared.database.url import DatabaseUrl
from shared.errors import StorageError

# Seconds.
INTEGRITY_TIMEOUT = 10.0

_ENCODING = "UTF8"
_RIGHTS = ("SELECT", "INSERT", "UPDATE", "DELETE")
# An earlier version did not have every table.
_HAS_RIGHT = text(
    "SELECT CASE WHEN to_regclass(CAST(:table AS text)) IS NULL THEN true"
    " ELSE has_table_privilege(CAST(:table AS text), CAST(:right AS text)) END"
)


def check_database(url: DatabaseUrl, schema: Schema | None) -> Iterator[str]:
    """Yield what is found. `schema` has the tables that are ours. Raises StorageError for a fault."""
    with opened(url.engine_url) as engine:
        with reading(engine) as connection:
            exists = schema is not None and is_complete(connection, schema)
        if exists and schema is not None and engine.dialect.name == POSTGRESQL:
            _check_rights(engine, schema, url)
        else:
            _write_to(engine)
        yield f"{url} can be read and written"
        if engine.dialect.name == POSTGRESQL:
            yield _describe_server(engine, url)
        if file := url.sqlite_file:
            yield _check_integrity(file, url)
        if schema is not None:
            yield _describe_tables(engine, schema, url, exists=exists)


def _write_to(engine: Engine) -> None:
    """Write a table and remove it: a database may let a process begin a transaction, and take no row."""
    probe = Table("stockwire_doctor", MetaData(), Column("id", Integer))
    with writing(engine) as connection:
        probe.create(connection)
        connection.execute(insert(probe).values(id=1))
        probe.drop(connection)


def _check_rights(engine: Engine, schema: Schema, url: DatabaseUrl) -> None:
    """Raise StorageError if this user lacks a right on a table. A user who only stores need not create tables."""
    with reading(engine) as connection:
        for table in schema.metadata.sorted_tables:
            missing = [right for right in _RIGHTS if not _has_right(connection, table.name, right)]
            if missing:
                raise StorageError(
                    f"{url.engine_url.username} may not {', '.join(missing)} in the table {table.name} of {url}:"
                    f" GRANT {', '.join(missing)} ON {table.name} TO {url.engine_url.username}"
                )


def _has_right(connection: Connection, table: str, right: str) -> bool:
    return bool(connection.scalar(_HAS_RIGHT, {"table": table, "right": right}))


def _describe_server(engine: Engine, url: DatabaseUrl) -> str:
    with reading(engine) as connection:
        version, encoding = (connection.scalar(text(f"SHOW server_{each}")) for each in ("version", "encoding"))
        extension = " with TimescaleDB" if has_timescaledb(connection) else ""
    if encoding != _ENCODING:
        raise StorageError(f"{url} has the encoding {encoding}: create the database with ENCODING '{_ENCODING}'")
    return f"PostgreSQL {version}{extension}, encoding {encoding}"


def _check_integrity(file: Path, url: DatabaseUrl) -> str:
    try:
        problem = find_damage_quickly(file, str(url), INTEGRITY_TIMEOUT)
    except TimeoutError:
        return (
            f"no damage found in {INTEGRITY_TIMEOUT:g} s, and the check is not complete: sqlite3 {file}"
            " 'pragma quick_check' looks at all of it"
        )
    if problem:
        raise damaged(str(url), f"is damaged ({problem})")
    return "no damage found"


def _describe_tables(engine: Engine, schema: Schema, url: DatabaseUrl, *, exists: bool) -> str:
    if not exists:
        return f"no tables of {schema.name} yet: ./stockwire consume {schema.name} makes them"
    with reading(engine) as connection:
        revision = read_revision(connection, schema.name)
    latest = schema.migrations.latest if schema.migrations else None
    if latest is None or is_latest(revision, latest, str(url)):
        return f"tables of {schema.name} at revision {revision}, the latest"
    return (
        f"tables of {schema.name} of an earlier version (revision {revision or 'none'} of {latest}):"
        f" ./stockwire consume {schema.name} migrates them"
    )
