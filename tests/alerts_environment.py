"""The alerts consumer as a process, with a database and queues of its own."""

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Engine

from consumers.alerts.store import load_watermarks, pending_alerts, read_alerts
from consumers.alerts.tables import SCHEMA
from shared.database.engine import open_engine, reading
from shared.database.schema import create_schema
from shared.database.url import DatabaseUrl
from shared.events import PriceAlert, StockData
from shared.messaging.address import BrokerAddress
from shared.messaging.amqp.connection import connected
from shared.messaging.amqp.declarations import declare_queue
from shared.messaging.amqp.subscription import Subscription
from shared.messaging.messages import Delivery, price_message
from shared.messaging.publisher import Publisher
from shared.messaging.topology import LIVE_PRICES, QueueSpec, queue_name
from shared.settings import ROOT, Settings
from tests.forked_processes import ForkedChild

DEADLINE = 20.0
CONSUMER = ("python", "-m", "consumers", "alerts")


@dataclass
class AlertsEnvironment:
    """An alerts database, and a virtual host with the queues of the consumer and of a listener."""

    settings: Settings
    engine: Engine
    output: Path
    deliveries: list[Delivery]
    listener: Subscription

    def publish(self, events: Sequence[StockData]) -> None:
        with Publisher(self.settings.amqp_url, "test") as publisher:
            publisher.publish(price_message(event) for event in events)

    def start(self, command: Sequence[str] = CONSUMER) -> ForkedChild:
        own = {
            "STOCKWIRE_AMQP_URL": self.settings.amqp_url.url(),
            "STOCKWIRE_ALERTS_URL": self.settings.alerts_url.text,
        }
        others = {name: value for name, value in os.environ.items() if not name.startswith("STOCKWIRE_")}
        with self.output.open("ab") as stdout, self.output.with_suffix(".log").open("ab") as stderr:
            return ForkedChild(command, cwd=ROOT, env=others | own, stdout=stdout.fileno(), stderr=stderr.fileno())

    @contextmanager
    def consuming(self) -> Iterator[None]:
        """Run the consumer for one block, and stop it with SIGTERM."""
        process = self.start()
        try:
            yield
            process.terminate()
            assert process.wait(DEADLINE) == 0
        finally:
            process.kill()
            process.wait()

    def wait_until_evaluated(self, event: StockData) -> None:
        """Wait until the event has been evaluated and no alert is pending."""

        def evaluated() -> bool:
            with reading(self.engine) as connection:
                watermark = load_watermarks(connection, {event.symbol}).get(event.symbol)
                return watermark is not None and watermark.as_of >= event.as_of and not pending_alerts(connection, 1)

        wait_until(evaluated)

    def alerts(self) -> list[PriceAlert]:
        return list(read_alerts(self.engine))

    def received(self, last: str) -> list[Delivery]:
        """Return every message that reached the listener, after the message with id `last` has arrived."""

        def arrived() -> bool:
            batch = self.listener.take(100, timeout=0.05)
            if batch:
                self.listener.acknowledge(batch[-1], and_all_before=True)
            self.deliveries += batch
            return any(each.properties["message_id"] == last for each in self.deliveries)

        wait_until(arrived)
        return self.deliveries

    def printed_lines(self) -> list[str]:
        return self.output.read_text().splitlines()


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true in time"
        time.sleep(0.01)


@contextmanager
def alerts_environment(broker: BrokerAddress, folder: Path) -> Iterator[AlertsEnvironment]:
    """Yield an empty environment, whose files are in the folder."""
    url = DatabaseUrl(f"sqlite:///{folder / 'alerts.db'}")
    engine = open_engine(url.engine_url)
    create_schema(engine, SCHEMA)
    with connected(broker, "test") as connection:
        declare_queue(connection, QueueSpec(queue_name("alerts"), (LIVE_PRICES,), single_active=True))
        channel, _ = declare_queue(connection, QueueSpec("listener", ("alert.#",)))
        listener = Subscription(connection, channel)
        listener.start("listener", 1000)
        yield AlertsEnvironment(Settings(amqp_url=broker, alerts_url=url), engine, folder / "stdout", [], listener)
    engine.dispose()
