"""A provider over HTTP that answers badly: no event of a bad answer, and every other symbol is stored."""

import re
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

import pytest
import requests

from producer.market_service import SyncReport, sync
from producer.providers import Provider, Quote
from shared.errors import ProviderError
from shared.messaging.publisher import Publisher
from shared.times import parse_instant
from tests.faults.ledger import Ledger, assert_none
from tests.faults.marks import control, fault
from tests.faults.world import World

AT = datetime(2024, 11, 20, 10, tzinfo=UTC)
# In seconds.
PATIENCE = 0.5
QUOTE = b'{"price": "187.44", "as_of": "2024-11-20T09:59:58Z"}'
PAGE = b"<html><body><h1>Just a moment</h1>Ray id 8231.5, try again in 30 seconds</body></html>"


@dataclass(frozen=True)
class Answer:
    """What the server says of one symbol; `cut` bytes of the body never come, and the rest after `delay` seconds."""

    status: int
    body: bytes
    cut: int = 0
    delay: float = 0


GOOD = ("AAPL", "MSFT", "BRK.B")
BAD: Mapping[str, Answer] = {
    "LIMITED": Answer(429, PAGE),
    "BROKEN": Answer(500, b'{"error": "internal", "code": 77}'),
    "AWAY": Answer(503, PAGE),
    "MISSING": Answer(404, b"not found"),
    "SLOW": Answer(200, QUOTE, delay=4 * PATIENCE),
    "GARBAGE": Answer(200, bytes(range(256))),
    "PAGE": Answer(200, PAGE),
    "TRUNCATED": Answer(200, QUOTE[:30]),
    "CUT": Answer(200, QUOTE, cut=20),
    "EMPTY": Answer(200, b""),
    "LIST": Answer(200, b"[187.44]"),
    "PRICELESS": Answer(200, QUOTE.replace(b"price", b"prize")),
    "ZERO": Answer(200, QUOTE.replace(b"187.44", b"0")),
    "NEGATIVE": Answer(200, QUOTE.replace(b"187.44", b"-1")),
    "NAN": Answer(200, QUOTE.replace(b"187.44", b"NaN")),
    "ENDLESS": Answer(200, QUOTE.replace(b"187.44", b"1e999999999")),
    "TIMELESS": Answer(200, QUOTE.replace(b"2024-11-20T09:59:58Z", b"yesterday")),
    "FUTURE": Answer(200, QUOTE.replace(b"2024", b"2124")),
}


class _Server(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        answer = BAD.get(self.path.strip("/"), Answer(200, QUOTE))
        time.sleep(answer.delay)
        # Who waits no longer has hung up.
        with suppress(BrokenPipeError, ConnectionResetError):
            self.send_response(answer.status)
            self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            self.wfile.write(answer.body[: len(answer.body) - answer.cut])

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def server() -> Iterator[str]:
    """The URL of a real HTTP server that answers as GOOD and BAD say."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Server)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@dataclass(frozen=True)
class CarefulProvider:
    """Whatever is no quote is an error; whether the price is one is for the sync to say."""

    url: str
    name: ClassVar[str] = "careful"

    def quotes(self, symbols: Sequence[str], at: datetime) -> Mapping[str, Quote | ProviderError]:
        return {symbol: self._quote(symbol) for symbol in symbols}

    def _quote(self, symbol: str) -> Quote | ProviderError:
        try:
            answer = requests.get(f"{self.url}/{symbol}", timeout=PATIENCE)
            answer.raise_for_status()
            body = answer.json()
            return Quote(price=Decimal(body["price"]), as_of=parse_instant(body["as_of"]))
        except (requests.RequestException, ArithmeticError, LookupError, TypeError, ValueError) as error:
            return ProviderError(f"{type(error).__name__}: {error}")


@dataclass(frozen=True)
class CarelessProvider:
    """The first number in whatever comes is the price."""

    url: str
    name: ClassVar[str] = "careless"

    def quotes(self, symbols: Sequence[str], at: datetime) -> Mapping[str, Quote | ProviderError]:
        return {symbol: self._quote(symbol, at) for symbol in symbols}

    def _quote(self, symbol: str, at: datetime) -> Quote | ProviderError:
        try:
            text = requests.get(f"{self.url}/{symbol}", timeout=PATIENCE).text
        except requests.RequestException as error:
            return ProviderError(str(error))
        found = re.search(r"[0-9]+(\.[0-9]+)?", text)
        return Quote(price=Decimal(found[0]), as_of=at) if found else ProviderError("no number")


def sync_badly(world: World, provider: Provider) -> None:
    world.declare("history")
    symbols = [*BAD, *GOOD]
    with world.consuming("history") as storing:
        with Publisher(world.address, "test") as publisher:
            report = sync([provider], publisher, symbols, AT)
        world.drain("history", storing)
    check_report(report)
    events = {event.id: event for event in report.published.values()}
    world.check_history(Ledger(events, set(events)))


def check_report(report: SyncReport) -> None:
    """An event of every good answer, and of every bad one nothing but the reason."""
    assert_none("prices made of bad answers", report.published.keys() - set(GOOD))
    assert_none("good prices lost", set(GOOD) - report.published.keys())
    assert_none("failures without a reason", [symbol for symbol in BAD if not report.failed.get(symbol)])
    print(*(f"{symbol}: {reason}" for symbol, reason in report.failed.items()), sep="\n")


@fault
def test_a_bad_answer_fails_its_symbol_alone(world: World, server: str) -> None:
    sync_badly(world, CarefulProvider(server))


@control
def test_control(world: World, server: str) -> None:
    sync_badly(world, CarelessProvider(server))
