"""One server per module, with stored prices of some symbols."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from consumers.history.store import PriceStore
from consumers.history.tables import SCHEMA
from shared.database.engine import opened
from shared.database.schema import create_schema
from shared.settings import Settings
from tests.event_factories import stock_data
from tests.web_server import Client, serving, settings_in

FIRST = datetime(2024, 11, 18, 14, 30, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    found = settings_in(tmp_path_factory.mktemp("web"))
    with opened(found.history_url.engine_url) as engine:
        create_schema(engine, SCHEMA)
        store = PriceStore(engine)
        for symbol, base in (("AAPL", 100), ("MSFT", 400), ("BRK.B", 412), ("BTC/USD", 60000)):
            store.save([stock_data(symbol, str(base + n), FIRST + n * MINUTE, currency="USD") for n in range(250)])
        # Two providers at one time, and a price that a spreadsheet would take for a formula.
        store.save([stock_data("AAPL", "99.5", FIRST + 10 * MINUTE, provider="=other")])
    return found


@pytest.fixture(scope="module")
def client(settings: Settings) -> Iterator[Client]:
    with serving(settings) as found:
        yield found


def folder_of(settings: Settings) -> Path:
    assert settings.history_url.sqlite_file
    return settings.history_url.sqlite_file.parent
