"""The revision of a database, and its migration to the latest by Alembic.

Source: https://alembic.sqlalchemy.org/en/latest/cookbook.html#sharing-a-connection-across-one-or-more-programmatic-migration-commands
"""

import logging
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Column, Connection, MetaData, String, Table, insert, inspect, select

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Migrations:
    """A folder of Alembic's scripts, and their latest revision: a number of four digits, so that text compares."""

    scripts: Path
    latest: str


def read_revision(connection: Connection, schema: str) -> str | None:
    """Return the revision of a schema in the database, or None if the schema is older than its first migration."""
    versions = _versions(schema)
    if not inspect(connection).has_table(versions.name):
        return None
    return connection.execute(select(versions.c.version_num)).scalar_one_or_none()


def record_revision(connection: Connection, schema: str, revision: str) -> None:
    """Record the revision of a schema that was just created."""
    versions = _versions(schema)
    versions.create(connection)
    connection.execute(insert(versions).values(version_num=revision))


def migrate(connection: Connection, schema: str, migrations: Migrations) -> None:
    """Run the migrations that the database lacks, in the caller's transaction."""
    # Only a database of an earlier version needs Alembic, whose import takes longer than most commands.
    from alembic import command
    from alembic.config import Config

    logging.getLogger("alembic").setLevel(logging.WARNING)
    config = Config()
    config.set_main_option("script_location", str(migrations.scripts).replace("%", "%%"))
    config.attributes |= {"connection": connection, "version_table": _versions(schema).name}
    command.upgrade(config, "head")
    log.info("migrated the %s database to revision %s", schema, migrations.latest)


def run_scripts() -> None:
    """Run the scripts that Alembic has chosen, on the connection of `migrate`. Each folder's env.py calls this."""
    from alembic import context

    attributes = context.config.attributes
    context.configure(connection=attributes["connection"], version_table=attributes["version_table"])
    with context.begin_transaction():
        context.run_migrations()


def _versions(schema: str) -> Table:
    """Return the table in which Alembic keeps the revision. Several schemas may share a database."""
    return Table(f"alembic_version_{schema}", MetaData(), Column("version_num", String(32), primary_key=True))
