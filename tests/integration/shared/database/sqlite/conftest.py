"""A SQLite file with numbers that is open."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine
from sqlalchemy.engine import make_url

from shared.database.engine import opened, reading
from tests.watched_file import ROWS, add


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "numbers.db"


@pytest.fixture
def engine(path: Path) -> Iterator[Engine]:
    with opened(make_url(f"sqlite:///{path}")) as engine:
        add(engine, *range(ROWS))
        yield engine


@pytest.fixture
def checkpointed(engine: Engine) -> Engine:
    """The engine with some rows in the database, some in its WAL."""
    with reading(engine) as connection:
        connection.exec_driver_sql("pragma wal_checkpoint")
    add(engine, *range(ROWS, ROWS + 10))
    return engine
