"""An HTTP provider gives bad answers, or sends them too slowly: no bad answer becomes an event, all else is stored."""

import itertools
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import ClassVar

import pytest
import requests

from producer.market_service import SyncReport, fetch_and_publish
from producer.providers.base import Provider, Quote
from producer.providers.http.apis.finnhub import Finnhub
from producer.providers.http.client import Timeouts
from producer.providers.http.provider import HttpProvider
from producer.providers.simulated import SimulatedProvider
from shared.accounts import Account
from shared.errors import ProviderError
from shared.messaging.publisher import Publisher
from tests.dripping_server import ANSWERS, dripping_server
from tests.fake_http_server import Answer, Request, fake_http_server
from tests.faults.ledger import Ledger, PromiseBroken, assert_none
from tests.faults.markers import control, fault
from tests.faults.pipeline import Pipeline

AT = datetime(2024, 11, 20, 10, tzinfo=UTC)
# Seconds.
READ_TIMEOUT = 0.5
TIMEOUTS = Timeouts(READ_TIMEOUT, READ_TIMEOUT, 2 * READ_TIMEOUT)
QUOTE = '{"c": 187.44, "h": 188.1, "l": 186, "o": 187, "pc": 186.5, "t": 1732096798}'
PAGE = "<html><body><h1>Just a moment</h1>Ray id 8231.5, try again in 30 seconds</body></html>"

GOOD = ("AAPL", "MSFT", "BRK.B")
WATCHED = (*GOOD, "AMZN", "META", "NVDA")
BAD: Mapping[str, Answer] = {
    "BROKEN": Answer('{"error": "internal", "code": 77}', 500),
    "AWAY": Answer(PAGE, 503),
    "MISSING": Answer("not found", 404),
    "SLOW": Answer(QUOTE, delay=4 * READ_TIMEOUT),
    "DRIPPING": Answer(QUOTE, drip=READ_TIMEOUT / 2),
    "GARBAGE": Answer(bytes(range(256))),
    "PAGE": Answer(PAGE),
    "TRUNCATED": Answer(QUOTE[:30]),
    "CUT": Answer(QUOTE, cut=20),
    "EMPTY": Answer(""),
    "LIST": Answer("[187.44]"),
    "PRICELESS": Answer(QUOTE.replace('"c"', '"C"')),
    "ZERO": Answer(QUOTE.replace("187.44", "0")),
    "NEGATIVE": Answer(QUOTE.replace("187.44", "-1")),
    "NAN": Answer(QUOTE.replace("187.44", "NaN")),
    "ENDLESS": Answer(QUOTE.replace("187.44", "1e999999999")),
    "TIMELESS": Answer(QUOTE.replace("1732096798", '"yesterday"')),
    "FUTURE": Answer(QUOTE.replace("1732096798", "4102444800")),
    # The last one, because the provider asks nothing more after it.
    "LIMITED": Answer(PAGE, 429),
}


def answer(request: Request) -> Answer:
    return BAD.get(request.query["symbol"], Answer(QUOTE))


@pytest.fixture
def url() -> Iterator[str]:
    """The URL of a real HTTP server that answers as GOOD and BAD say."""
    with fake_http_server(answer) as server:
        yield server.url


@dataclass(frozen=True)
class CarelessProvider:
    """A provider that takes the first number of any answer for the price."""

    url: str
    name: ClassVar[str] = "finnhub"

    def quotes(self, symbols: Sequence[str], at: datetime) -> Mapping[str, Quote | ProviderError]:
        return {symbol: self._quote(symbol, at) for symbol in symbols}

    def _quote(self, symbol: str, at: datetime) -> Quote | ProviderError:
        try:
            text = requests.get(self.url, {"symbol": symbol}, timeout=READ_TIMEOUT).text
        except requests.RequestException as error:
            return ProviderError(str(error))
        found = re.search(r"[0-9]+(\.[0-9]+)?", text)
        return Quote(price=Decimal(found[0]), as_of=at) if found else ProviderError("no number")


def sync_badly(pipeline: Pipeline, provider: Provider) -> None:
    pipeline.declare("history")
    # A good answer after each bad one, so that the circuit breaker does not trip.
    symbols = [*GOOD, *(name for bad in BAD for name in (bad, f"OK.{bad}") if name != "OK.LIMITED")]
    with pipeline.consuming("history") as storing:
        with Publisher(pipeline.address, "test") as publisher:
            report = fetch_and_publish([provider], publisher, symbols, AT)
        pipeline.drain("history", storing)
    check_report(report, symbols)
    events = {event.id: event for event in report.published.values()}
    pipeline.check_history(Ledger(events, set(events)))


def check_report(report: SyncReport, symbols: Sequence[str]) -> None:
    """Check that each good answer became an event, and each bad answer an error with a reason."""
    assert_none("prices made of bad answers", report.published.keys() & BAD.keys())
    assert_none("good prices lost", set(symbols) - BAD.keys() - report.published.keys())
    assert_none("failures without a reason", [symbol for symbol in BAD if not report.failed.get(symbol)])
    print(*(f"{symbol}: {reason}" for symbol, reason in report.failed.items()), sep="\n")


@fault
def test_a_bad_answer_fails_its_symbol_alone(pipeline: Pipeline, url: str, tmp_path: Path) -> None:
    account = Account(url, key="test-key")
    sync_badly(pipeline, HttpProvider(Finnhub(), account, tmp_path / "state", TIMEOUTS))


@control
def test_control(pipeline: Pipeline, url: str) -> None:
    sync_badly(pipeline, CarelessProvider(url))


def sync_while_dripping(pipeline: Pipeline, provider: Provider) -> None:
    """Sync with `provider`, whose server drips, before a stand-in. The stand-in must deliver soon, in the same sync."""
    pipeline.declare("history")
    with pipeline.consuming("history") as storing, Publisher(pipeline.address, "test") as publisher:
        began = time.monotonic()
        report = fetch_and_publish([provider, SimulatedProvider()], publisher, WATCHED, AT)
        took = time.monotonic() - began
        pipeline.drain("history", storing)
    assert_none("symbols without a price", set(WATCHED) - report.published.keys())
    # The provider is asked for one symbol first, and then for all others at once.
    if took > 2 * TIMEOUTS.call + 1:
        raise PromiseBroken(f"the prices of the stand-in came after {took:.1f} s")
    events = {event.id: event for event in report.published.values()}
    pipeline.check_history(Ledger(events, set(events)))


@fault
@pytest.mark.parametrize("kind", ["headers", "100 Continue"])
def test_a_stand_in_delivers_in_the_same_sync_as_a_dripping_provider(
    pipeline: Pipeline, tmp_path: Path, kind: str
) -> None:
    with dripping_server(ANSWERS[kind], READ_TIMEOUT / 5) as server:
        account = Account(server.url, key="test-key")
        provider = HttpProvider(Finnhub(), account, tmp_path / "state", TIMEOUTS)
        sync_while_dripping(pipeline, provider)
        asked = server.connections
        # More failures than open the circuit: the provider is not asked any more.
        sync_while_dripping(pipeline, provider)
        assert server.connections == asked == len(WATCHED)


@control
def test_control_of_a_dripping_provider(pipeline: Pipeline) -> None:
    def headers() -> Iterator[bytes]:
        return itertools.islice(ANSWERS["headers"](), 20)

    with dripping_server(headers, READ_TIMEOUT / 5) as server:
        sync_while_dripping(pipeline, CarelessProvider(server.url))
