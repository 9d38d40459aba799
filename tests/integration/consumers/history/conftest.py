"""A store and a reader of one history database, on SQLite and PostgreSQL."""

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine
from sqlalchemy.engine import URL

from consumers.history.store import PriceStore
from shared.database.engine import opened
from shared.database.reader import Reader, open_reader
from shared.database.url import DatabaseUrl


@pytest.fixture
def engine(history_url: URL) -> Iterator[Engine]:
    with opened(history_url) as engine:
        yield engine


@pytest.fixture
def store(engine: Engine) -> PriceStore:
    return PriceStore(engine)


@pytest.fixture
def reader(history_url: URL, store: PriceStore) -> Iterator[Reader]:
    with open_reader(DatabaseUrl(history_url.render_as_string(hide_password=False))) as reader:
        yield reader
