"""A running Stockwire for a browser: server and consumers as real processes, with RabbitMQ and databases of its own.

The producer runs only if it is started: tests publish the prices that they look for.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import requests

from shared.events import StockData
from shared.messaging.address import BrokerAddress
from shared.messaging.messages import Message, price_message
from shared.messaging.publisher import Publisher
from shared.messaging.topology import queue_name
from shared.times import utc_now
from tests.event_factories import stock_data
from tests.forked_processes import forked
from tests.polling import eventually
from tests.processes import Process, copy_checkout
from tests.queues import consumers_of

TOKEN = "t0ken-of-the-browser-tests"
DAY = timedelta(days=1)


class Site:
    """Starts and stops the parts of one Stockwire, publishes prices, and knows its address."""

    def __init__(self, folder: Path, broker: BrokerAddress, symbols: str, parts: ExitStack, **settings: str) -> None:
        self.broker = broker
        self._parts = parts
        self._folder = copy_checkout(folder)
        self.environment: Mapping[str, str] = {
            "STOCKWIRE_AMQP_URL": broker.url(),
            "STOCKWIRE_HISTORY_URL": f"sqlite:///{folder / 'history.db'}",
            "STOCKWIRE_ALERTS_URL": f"sqlite:///{folder / 'alerts.db'}",
            "STOCKWIRE_RESULTS_URL": f"sqlite:///{folder / 'results.db'}",
            "STOCKWIRE_SYMBOLS": symbols,
            "STOCKWIRE_API_TOKEN": TOKEN,
            **settings,
        }
        self.port = 0
        self.server: Process | None = None
        self.consumers: dict[str, Process] = {}

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    def start_consumers(self, *names: str) -> None:
        """Start consumers, and wait until they take messages."""
        for name in names:
            self.consumers[name] = self._start("python", "-m", "consumers", name)
        for name in names:
            eventually(lambda name=name: consumers_of(self.broker, queue_name(name)))

    def start_producer(self) -> Process:
        """Start the worker with its beat, and wait until it has published prices."""
        process = self._start("python", "-m", "celery", "-A", "producer", "worker", "--beat", "--loglevel=info")
        process.wait_for("succeeded")
        return process

    def start_server(self) -> None:
        """Start the server, on the port of the one before, and wait until it answers."""
        self.wait_for_server(self.launch_server())

    def launch_server(self) -> Process:
        return self._start("./stockwire", "serve", "--port", str(self.port))

    def wait_for_server(self, server: Process) -> None:
        server.wait_for("serving http")
        found = re.search(r"serving http://[^:]+:(\d+)", server.output)
        assert found, server.output
        self.server, self.port = server, int(found[1])

    def stockwire(self, *arguments: str) -> str:
        """Run one command, and return what it prints."""
        process = self._start("./stockwire", *arguments)
        assert process.wait() == 0, process.output
        return process.output

    def publish(self, *events: StockData) -> None:
        """Publish live prices, and return when RabbitMQ has confirmed them."""
        self.send(*(price_message(event) for event in events))

    def send(self, *messages: Message) -> None:
        with Publisher(self.broker, "browser-tests") as publisher:
            publisher.publish(messages)

    def stored(self, symbol: str, price: str) -> bool:
        """Return True if this is the newest stored price of the symbol."""
        answer = requests.get(f"{self.url}v1/latest", timeout=10)
        rows = answer.json().get("prices", []) if answer.ok else []
        return any(row["symbol"] == symbol and row["price"] == price for row in rows)

    def _start(self, *command: str) -> Process:
        return self._parts.enter_context(forked(*command, environment=self.environment, folder=self._folder))


@contextmanager
def site(folder: Path, broker: BrokerAddress, symbols: str = "AAPL,MSFT,BRK.B", **settings: str) -> Iterator[Site]:
    """Run the consumers and the server for one block."""
    with ExitStack() as parts:
        made = Site(folder, broker, symbols, parts, **settings)
        server = made.launch_server()
        made.start_consumers("history", "alerts")
        made.wait_for_server(server)
        yield made


def price(
    symbol: str, text: str, age: float = 0, provider: str = "simulated", delay: float = 0, **fields: object
) -> StockData:
    """Return a price that the market made `age` seconds ago, and that was observed `delay` seconds later."""
    as_of = utc_now() - timedelta(seconds=age)
    return stock_data(symbol, text, as_of, provider, observed_at=as_of + timedelta(seconds=delay), **fields)


def daily_bars(
    symbol: str, closes: list[str], provider: str = "simulated", age: float = 0, **fields: object
) -> list[StockData]:
    """Return daily bars, one per close; the last one is of the day before a price of this age in seconds."""
    today = (utc_now() - timedelta(seconds=age)).replace(hour=0, minute=0, second=0, microsecond=0)
    return [
        stock_data(
            symbol,
            close,
            (as_of := today - DAY * (len(closes) - place)),
            provider,
            observed_at=as_of + DAY,
            interval="1d",
            open=Decimal(close) - 1,
            high=Decimal(close) + 2,
            low=Decimal(close) - 3,
            volume=1_000_000 + place,
            **fields,
        )
        for place, close in enumerate(closes)
    ]
