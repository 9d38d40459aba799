"""The doctor's checks of databases on real SQLite and PostgreSQL."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.engine import URL, make_url

from consumers.alerts.tables import SCHEMA as ALERTS
from consumers.history.tables import SCHEMA as HISTORY
from infra import database_checks
from infra.database_checks import check_database
from shared.database.engine import opened
from shared.database.schema import Schema, create_schema
from shared.database.url import DatabaseUrl
from shared.errors import StorageDamaged, StorageError
from tests.conftest import execute_create
from tests.integration.consumers.history.test_migrations import create_old_database


def check(url: URL, schema: Schema | None = HISTORY) -> list[str]:
    return list(check_database(DatabaseUrl(url.render_as_string(hide_password=False)), schema))


def create(url: URL, *schemas: Schema) -> None:
    with opened(url) as engine:
        for schema in schemas:
            create_schema(engine, schema)


def latest(schema: Schema) -> str:
    assert schema.migrations
    return schema.migrations.latest


def test_the_tables_of_each_schema_are_told(database_url: URL) -> None:
    found = check(database_url)
    assert found[0].endswith("can be read and written")
    assert found[-1] == "no tables of history yet: ./stockwire consume history makes them"
    create(database_url, HISTORY, ALERTS)
    assert check(database_url)[-1] == f"tables of history at revision {latest(HISTORY)}, the latest"
    assert check(database_url, ALERTS)[-1] == f"tables of alerts at revision {latest(ALERTS)}, the latest"


def test_tables_of_an_earlier_version_are_told_and_left_alone(database_url: URL) -> None:
    create_old_database(database_url)
    for _ in range(2):
        assert check(database_url)[-1] == (
            f"tables of history of an earlier version (revision none of {latest(HISTORY)}):"
            " ./stockwire consume history migrates them"
        )


@pytest.fixture
def damaged(tmp_path: Path) -> URL:
    """The URL of a database with a damaged page of rows, whose other pages are whole."""
    path = tmp_path / "history.db"
    create(make_url(f"sqlite:///{path}"), HISTORY)
    with closing(sqlite3.connect(path)) as database:
        database.execute("INSERT INTO series (symbol, provider) VALUES ('AAPL', 'simulated')")
        rows = ((1, as_of, 1.5, 1) for as_of in range(20_000))
        database.executemany("INSERT INTO quote (series_id, as_of, price, lag) VALUES (?, ?, ?, ?)", rows)
        database.commit()
    with path.open("r+b") as file:
        file.seek(path.stat().st_size // 2)
        file.write(b"\xff" * 10_000)
    return make_url(f"sqlite:///{path}")


def test_damage_is_found_and_what_to_do_is_told(damaged: URL) -> None:
    with pytest.raises(StorageDamaged, match=r"is damaged \(.*\): stop the consumers, then put back a copy of it"):
        check(damaged)


def test_a_check_that_takes_too_long_is_ended(damaged: URL, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database_checks, "INTEGRITY_TIMEOUT", -1.0)
    monkeypatch.setattr("shared.database.sqlite.damage._INSTRUCTIONS", 1)
    assert f"the check is not complete: sqlite3 {damaged.database}" in check(damaged)[1]


@pytest.fixture
def storing_user(postgresql: str) -> Iterator[URL]:
    """The URL of a user of the history's tables, without the right to delete."""
    url = make_url(postgresql)
    create(url, HISTORY)
    owner = create_engine(url, isolation_level="AUTOCOMMIT")
    with owner.connect() as connection:
        schema = connection.scalar(text("SELECT current_schema()"))
        name = f"user_of_{schema}"
        connection.execute(text(f"CREATE ROLE {name} LOGIN"))
        connection.execute(text(f"GRANT USAGE ON SCHEMA {schema} TO {name}"))
        connection.execute(text(f"GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA {schema} TO {name}"))
        yield url.set(username=name)
        connection.execute(text(f"DROP OWNED BY {name}"))
        connection.execute(text(f"DROP ROLE {name}"))
    owner.dispose()


def test_a_missing_right_on_postgresql_is_named(storing_user: URL) -> None:
    user = storing_user.username
    with pytest.raises(StorageError, match=f"{user} may not DELETE in the table .* GRANT DELETE ON .* TO {user}"):
        check(storing_user)
    with pytest.raises(StorageError, match="permission denied for schema"):
        check(storing_user, ALERTS)


def test_version_and_encoding_of_postgresql_are_told(postgresql: str) -> None:
    assert any(
        line.startswith("PostgreSQL 1") and line.endswith("encoding UTF8") for line in check(make_url(postgresql))
    )


def test_another_encoding_is_a_fault(postgresql_server_url: str) -> None:
    options = "ENCODING 'LATIN1' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'"
    name = execute_create(postgresql_server_url, "DATABASE", options)
    with pytest.raises(StorageError, match="has the encoding LATIN1: create the database with ENCODING 'UTF8'"):
        check(make_url(postgresql_server_url).set(database=name))
