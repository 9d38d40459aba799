"""Another process locks the state of the providers: prices that were fetched are kept, and a stand-in delivers."""

import contextlib
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from producer.market_service import collect_events
from producer.providers.base import Quote
from producer.providers.http.apis.finnhub import Finnhub
from producer.providers.http.client import Timeouts
from producer.providers.http.provider import HttpProvider
from producer.providers.http.request_quota import RequestQuota
from producer.providers.simulated import SimulatedProvider
from producer.state import FILE, open_state
from shared.accounts import Account
from shared.errors import ProviderUnavailable
from shared.times import utc_now
from tests.fake_http_server import Answer, Request, always, fake_http_server

AT = datetime(2024, 11, 20, 10, tzinfo=UTC)
PRICE = Answer({"c": 187.44, "h": 188.1, "l": 186, "o": 187, "pc": 186.5, "t": 1732096798})


@pytest.fixture(autouse=True)
def short_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared.database.engine.BUSY_TIMEOUT", 0.2)


@pytest.fixture
def lock(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """A connection for `BEGIN IMMEDIATE`, which locks the state until the end of the test."""
    with open_state(tmp_path):
        pass
    connection = sqlite3.connect(tmp_path / FILE, isolation_level=None, check_same_thread=False)
    with contextlib.closing(connection):
        yield connection


def make_provider(url: str, folder: Path) -> HttpProvider:
    return HttpProvider(Finnhub(), Account(url, "key", per_minute=100), folder, Timeouts(1, 1, 2, 2))


def test_a_stand_in_delivers_in_the_same_sync(tmp_path: Path, lock: sqlite3.Connection) -> None:
    lock.execute("BEGIN IMMEDIATE")
    with fake_http_server(always(PRICE)) as server:
        providers = [make_provider(server.url, tmp_path), SimulatedProvider()]
        events, errors, _ = collect_events(providers, ["AAPL"], AT, utc_now)
        assert server.requests == []
    assert events["AAPL"].provider == "simulated"
    assert isinstance(errors["AAPL"]["finnhub"], ProviderUnavailable)
    assert "finnhub cannot be asked: database" in str(errors["AAPL"]["finnhub"])


def test_fetched_prices_are_kept_if_the_state_cannot_be_saved(
    tmp_path: Path, lock: sqlite3.Connection, caplog: pytest.LogCaptureFixture
) -> None:
    def answer(_: Request) -> Answer:
        if not lock.in_transaction:
            lock.execute("BEGIN IMMEDIATE")
        return PRICE

    with fake_http_server(answer) as server:
        found = make_provider(server.url, tmp_path).quotes(["AAPL", "MSFT"], AT)
    assert all(isinstance(each, Quote) for each in found.values())
    assert "the state of Finnhub is not saved: database" in caplog.text


def test_an_error_is_not_retried_while_credits_cannot_be_reserved(tmp_path: Path, lock: sqlite3.Connection) -> None:
    def answer(request: Request) -> Answer:
        if not lock.in_transaction:
            lock.execute("BEGIN IMMEDIATE")
        return PRICE if request.query["symbol"] == "GOOD" else Answer("away", 503)

    with fake_http_server(answer) as server:
        found = make_provider(server.url, tmp_path).quotes(["GOOD", "BAD"], AT)
        assert len(server.requests) == 2
    assert isinstance(found["GOOD"], Quote)
    assert isinstance(found["BAD"], ProviderUnavailable)


def test_a_fallback_that_cannot_be_reserved_is_an_error_of_its_symbols(
    tmp_path: Path, lock: sqlite3.Connection
) -> None:
    account = Account("http://127.0.0.1:1", "key", per_minute=100)
    with open_state(tmp_path) as engine:
        quota = RequestQuota(engine, Finnhub(), account, "finnhub", utc_now)
        requests = Finnhub().quote_requests(["AAPL", "MSFT"], AT)
        lock.execute("BEGIN IMMEDIATE")
        sent, errors = quota.reserve_requests(requests)
    assert sent == ()
    assert errors.keys() == {"AAPL", "MSFT"}
    assert {type(error) for error in errors.values()} == {ProviderUnavailable}
