"""The bench `api`: requests/s of two questions beside other servers, and a thousand readers of live events.

Each server is one process on the same SQLite file. The answers of ours are kept until the database changes, and it does
not change while requests are counted; the events arrive through RabbitMQ and the history consumer.
"""

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from benchmarks.environment import BenchEnvironment, open_environment
from benchmarks.generated_prices import SYMBOLS
from benchmarks.http_load import read_events, requests_per_second
from benchmarks.report import OURS, judged, percentile
from benchmarks.rounds import Figures, run_rounds
from consumers.history.store import PriceStore
from consumers.history.tables import SCHEMA
from infra.up.rabbitmq import free_port
from shared.cli.output import print_rows
from shared.database.engine import opened
from shared.database.schema import create_schema
from shared.database.url import DatabaseUrl
from shared.errors import ProcessError
from shared.events import StockData
from shared.messaging.messages import price_message
from shared.messaging.publisher import Publisher
from shared.settings import ROOT
from shared.times import utc_now

QUESTIONS = ("latest", "year")
GOALS = {"datasette": 5, "orm": 3}
READERS = 1000
EVENTS = 100
EVENTS_PER_SECOND = 10
MOST_MILLISECONDS = 250

_DAYS = 252
_SECONDS = 3.0
_START_TIMEOUT = 30
_SYMBOL = SYMBOLS[0]


@dataclass(frozen=True)
class Server:
    """A server: its command, in which `{port}` and `{database}` are filled in, the path of each question, and how."""

    command: tuple[str, ...]
    paths: tuple[str, str]
    how: str


SERVERS = {
    OURS: Server(
        (sys.executable, "-m", "infra", "serve", "--port", "{port}"),
        ("/v1/latest", f"/v1/candles/{_SYMBOL}?timeframe=1Day"),
        "./stockwire serve, with whatever else it does",
    ),
    "datasette": Server(
        (sys.executable, "-m", "datasette", "serve", "{database}", "--port", "{port}"),
        (
            "/history/latest_prices.json?_shape=array&_size=1000&_nocount=1&_nofacet=1",
            f"/history/bars.json?_shape=array&_size=1000&_nocount=1&_nofacet=1&symbol={_SYMBOL}",
        ),
        "datasette's JSON of the views latest_prices and bars",
    ),
    "orm": Server(
        (sys.executable, "-m", "uvicorn", "benchmarks.naive_fastapi_orm:app", "--port", "{port}", "--no-access-log"),
        ("/latest", f"/bars/{_SYMBOL}"),
        "FastAPI with SQLAlchemy's ORM and Pydantic models, on the same views",
    ),
}


@dataclass(frozen=True)
class ApiReport:
    """Requests per second by server and question; delays of events in milliseconds, and how many arrived."""

    rates: Mapping[str, Figures]
    p50: float
    p99: float
    arrived: int
    expected: int

    def as_json(self) -> str:
        peers = [name for name in self.rates if name != OURS]
        return json.dumps(
            {
                "bench": "api",
                "ours": self._by_question(self.rates[OURS]),
                "peers": {name: self._by_question(self.rates[name]) for name in peers},
                "ratios": {name: self._by_question(self._ratios(name)) for name in peers},
                "unit": "requests/s",
                "events": {"readers": READERS, "arrived": self.arrived, "expected": self.expected}
                | {"p50_ms": round(self.p50, 1), "p99_ms": round(self.p99, 1)},
            }
        )

    def show(self) -> None:
        columns = ("question", "side", "requests/s", "ours is", "goal", "how")
        rows = [self._row(place, name) for place in range(len(QUESTIONS)) for name in self.rates]
        print_rows(columns, rows, right=columns[2:5])
        every = judged("every event", met=self.arrived == self.expected)
        goal = judged(f"p99 ≤ {MOST_MILLISECONDS} ms", met=self.p99 <= MOST_MILLISECONDS)
        arrived = f"{self.arrived:,} of {self.expected:,} arrived"
        print(f"{READERS:,} readers, {EVENTS_PER_SECOND} prices/s: {arrived} ({every})")
        print(f"from publishing to each reader: p50 {self.p50:.1f} ms, p99 {self.p99:.1f} ms ({goal})")

    def _ratios(self, name: str) -> Figures:
        return tuple(own / peer for own, peer in zip(self.rates[OURS], self.rates[name], strict=True))

    def _row(self, place: int, name: str) -> dict[str, str]:
        rate = self.rates[name][place]
        row = {"question": QUESTIONS[place], "side": name, "requests/s": f"{rate:,.0f}", "how": SERVERS[name].how}
        if name != OURS:
            ratio = self._ratios(name)[place]
            row["ours is"] = f"{ratio:,.1f}×"
            row["goal"] = judged(f"≥ {GOALS[name]}×", met=ratio >= GOALS[name])
        return row

    @staticmethod
    def _by_question(figures: Figures) -> dict[str, float]:
        return {name: round(figure, 1) for name, figure in zip(QUESTIONS, figures, strict=True)}


def measure() -> ApiReport:
    with open_environment() as environment:
        database = environment.folder / "history.db"
        _fill(database)
        rates = run_rounds("api", SERVERS, lambda name: _rates(environment, database, name))
        delays, expected = _delays(environment, database)
    return ApiReport(rates, percentile(delays, 0.5), percentile(delays, 0.99), len(delays), expected)


def _fill(database: Path) -> None:
    """Store a year of daily bars and a newest quote of each symbol."""
    first = datetime(2024, 1, 1, tzinfo=UTC)
    with opened(DatabaseUrl(f"sqlite:///{database}").engine_url) as engine:
        create_schema(engine, SCHEMA)
        store = PriceStore(engine)
        for place, symbol in enumerate(SYMBOLS):
            days = [first + timedelta(days=day) for day in range(_DAYS)]
            bars = [_price(symbol, day, place + number, "1d") for number, day in enumerate(days)]
            store.save([*bars, _price(symbol, days[-1] + timedelta(hours=15), place, None)])


def _price(symbol: str, as_of: datetime, seed: int, interval: str | None) -> StockData:
    price = Decimal(10_000 + 37 * seed % 5_000).scaleb(-2)
    prices: dict[str, Any] = {"open": price - 1, "high": price + 2, "low": price - 2} if interval else {}
    return StockData.create(
        symbol=symbol,
        price=price,
        currency="USD",
        as_of=as_of,
        provider="benchmark",
        observed_at=as_of + timedelta(seconds=3),
        volume=1_000_000 + seed,
        interval=interval,
        **prices,
    )


def _rates(environment: BenchEnvironment, database: Path, name: str) -> Figures:
    server = SERVERS[name]
    with _running(environment, database, server) as port:
        found = []
        for place, path in enumerate(server.paths):
            rate, body = asyncio.run(requests_per_second(port, path, _SECONDS))
            _check(name, body, (len(SYMBOLS), _DAYS)[place])
            found.append(rate)
    return tuple(found)


def _check(name: str, body: bytes, rows: int) -> None:
    """Raise ProcessError unless the answer has the rows that were asked for."""
    answer = json.loads(body)
    found = answer if isinstance(answer, list) else answer.get("prices", answer.get("candles"))
    if len(found) != rows:
        raise ProcessError(f"{name} answered with {len(found)} rows instead of {rows}: the figure is not valid")


def _delays(environment: BenchEnvironment, database: Path) -> tuple[list[float], int]:
    """Return the delay of each event at each reader, in milliseconds, and how many there should be."""
    history = (sys.executable, "-m", "consumers", "history")
    with ExitStack() as stack:
        stack.enter_context(_process(environment, database, history))
        port = stack.enter_context(_running(environment, database, SERVERS[OURS]))
        while not environment.has_consumer("stockwire.history"):
            time.sleep(0.1)
        found, sent = asyncio.run(_send_and_read(environment, port))
    delays = [1000 * (at - sent[event]) for each in found for event, at in each.items()]
    return delays, READERS * EVENTS


async def _send_and_read(
    environment: BenchEnvironment, port: int
) -> tuple[Sequence[Mapping[str, float]], Mapping[str, float]]:
    is_open = asyncio.Event()
    reading = asyncio.create_task(read_events(port, READERS, EVENTS, is_open))
    await is_open.wait()
    sent = await asyncio.to_thread(_send, environment)
    return await asyncio.wait_for(reading, 60), sent


def _send(environment: BenchEnvironment) -> dict[str, float]:
    """Publish prices at a steady rate, and return the moment of each by its id."""
    sent: dict[str, float] = {}
    with Publisher(environment.address, "bench") as publisher:
        for number in range(EVENTS):
            event = _price(SYMBOLS[number], utc_now(), number, None)
            sent[event.id] = time.monotonic()
            publisher.publish([price_message(event)])
            time.sleep(1 / EVENTS_PER_SECOND)
    return sent


@contextmanager
def _running(environment: BenchEnvironment, database: Path, server: Server) -> Iterator[int]:
    """Run a server, and yield its port when it answers. Raises ProcessError if it does not."""
    port = free_port()
    command = [word.format(port=port, database=database) for word in server.command]
    with _process(environment, database, command) as process:
        deadline = time.monotonic() + _START_TIMEOUT
        while True:
            try:
                asyncio.run(requests_per_second(port, server.paths[0], 0.01))
                break
            except (OSError, asyncio.IncompleteReadError):
                if process.poll() is not None or time.monotonic() > deadline:
                    raise ProcessError(f"{' '.join(command[:4])} does not answer") from None
                time.sleep(0.1)
        yield port


@contextmanager
def _process(
    environment: BenchEnvironment, database: Path, command: Sequence[str]
) -> Iterator[subprocess.Popen[bytes]]:
    variables = {
        "STOCKWIRE_AMQP_URL": environment.address.url(),
        "STOCKWIRE_HISTORY_URL": f"sqlite:///{database}",
        "STOCKWIRE_ALERTS_URL": f"sqlite:///{environment.folder / 'alerts.db'}",
        "STOCKWIRE_HTTP": "127.0.0.1:8000",
        "DATABASE": str(database),
    }
    process = subprocess.Popen(
        command, cwd=ROOT, env={**os.environ, **variables}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        yield process
    finally:
        process.terminate()
        process.wait(20)
