"""The pipeline of a fault test: a broker, databases, and processes that use them."""

import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

from sqlalchemy.engine import make_url

from consumers.alerts.rules.parser import parse_terms
from consumers.alerts.rules.store import add_rule
from consumers.alerts.tables import SCHEMA
from shared.database.engine import opened
from shared.database.schema import create_schema
from shared.events import PriceAlert
from shared.messaging.address import BrokerAddress
from shared.messaging.amqp.connection import connected
from shared.messaging.amqp.declarations import declare_queue
from shared.messaging.amqp.queues import count_messages
from shared.messaging.topology import LIVE_PRICES, QueueSpec, queue_name
from shared.times import utc_now
from tests.faults.delivery_log import DELIVERIES, read_deliveries, read_last_attempts
from tests.faults.ledger import (
    Ledger,
    check_alerts,
    check_deliveries,
    check_history,
    check_wire,
    count_history,
    read_alerts,
    read_history,
)
from tests.processes import Process, running, until
from tests.queues import declare, taken

DELIVERY_LOG = "tests.faults.delivery_log"
SABOTAGED = "tests.faults.sabotaged_consumers"
LISTENER = "listener"
# Rules by name, each `* crossing <threshold>`.
RULES = {"100": Decimal(100), "97": Decimal(97)}


@dataclass
class Pipeline:
    """The address of a broker, and a folder for databases and delivery logs.

    Processes connect to `through` if it is given, such as a proxy. `settings` are added to
    the usual settings of the processes, or replace them.
    """

    address: BrokerAddress
    folder: Path
    through: BrokerAddress | None = None
    settings: dict[str, str] = field(default_factory=dict)
    history: Path = field(init=False)
    alerts: Path = field(init=False)
    _listens: bool = field(default=False, init=False)
    # The last started consumer, by the short name of its queue.
    _started: dict[str, str] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        self.history = self.folder / "history.db"
        self.alerts = self.folder / "alerts.db"

    @property
    def environment(self) -> dict[str, str]:
        address = self.through or self.address
        return {
            "STOCKWIRE_AMQP_URL": f"{address.url()}?heartbeat={address.heartbeat}",
            "STOCKWIRE_HISTORY_URL": f"sqlite:///{self.history}",
            "STOCKWIRE_ALERTS_URL": f"sqlite:///{self.alerts}",
            DELIVERIES: str(self.folder),
            **self.settings,
        }

    def declare(self, *names: str) -> None:
        """Declare the queues of these consumers, so that no event published before they start is lost."""
        with connected(self.address, "test") as connection:
            for name in names:
                spec = QueueSpec(queue_name(name), (LIVE_PRICES,), single_active=name == "alerts")
                declare_queue(connection, spec)

    def add_rules(self) -> None:
        with opened(make_url(self.environment["STOCKWIRE_ALERTS_URL"])) as engine:
            create_schema(engine, SCHEMA)
            for name, threshold in RULES.items():
                add_rule(engine, name, parse_terms(f"* crossing {threshold}"), utc_now())

    def command(self, consumer: str) -> list[str]:
        """Return the command of a consumer: `history`, `alerts`, or one of tests/faults as module:object."""
        return ["python", "-m", "consumers", consumer if ":" in consumer else f"{DELIVERY_LOG}:{consumer}"]

    @contextmanager
    def consuming(self, consumer: str, *, ready: bool = True) -> Iterator[Process]:
        self._started[short_name(consumer)] = consumer
        with running(*self.command(consumer), environment=self.environment) as process:
            if ready:
                process.wait_for("consuming")
            yield process

    def waiting(self, name: str) -> int:
        with connected(self.address, "test") as connection:
            return count_messages(connection, queue_name(name)) or 0

    def stored(self) -> int:
        return count_history(self.history)

    def raised(self) -> int:
        return len(read_alerts(self.alerts))

    def deliveries(self, name: str) -> list[str]:
        return read_deliveries(self.folder, name)

    def last_attempts(self, name: str) -> int:
        return read_last_attempts(self.folder, name)

    def drain(self, name: str, *processes: Process, timeout: float = 120) -> None:
        """Let the consumers of a queue finish, and stop them. Fails if a message stays unacknowledged."""
        self._drain(name, processes, timeout)
        # Messages on their way to a stopped consumer return to the queue, and need another consumer.
        while name in self._started and self._comes_back(name):
            with self.consuming(self._started[name]) as process:
                self._drain(name, [process], timeout)
        until(lambda: self.waiting(name) == 0, f"everything in {name} to be acknowledged", 5)

    def _drain(self, name: str, processes: Sequence[Process], timeout: float) -> None:
        until(lambda: self.waiting(name) == 0, f"an empty queue of {name}", timeout)
        for process in processes:
            process.wait_for("consuming")
            assert process.stop() == 0, process.output

    def _comes_back(self, name: str) -> bool:
        """Return True if messages return to the queue within a second: a quorum queue takes a moment."""
        deadline = time.monotonic() + 1
        while not (found := self.waiting(name) > 0) and time.monotonic() < deadline:
            time.sleep(0.05)
        return found

    def check_history(self, ledger: Ledger, dead: Sequence[str] = ()) -> int:
        """Check the stored prices, and return the number of redeliveries."""
        rows = read_history(self.history)
        check_history(ledger, rows, dead)
        return check_deliveries([each for each in self.deliveries("history") if each not in set(dead)], rows)

    def check_alerts(self, ledger: Ledger) -> None:
        """Check the alerts in the table and, if `listen` was called before, the published alerts."""
        raised = read_alerts(self.alerts)
        check_alerts(ledger, raised, RULES)
        if self._listens:
            check_wire(self.heard(), raised)

    def listen(self) -> None:
        """Collect every PRICE_ALERT from now on in a queue."""
        declare(self.address, "alert.#", name=LISTENER)
        self._listens = True

    def heard(self) -> list[PriceAlert]:
        """Return the alerts published since the last call, in order; at most 65,535 alerts."""
        deliveries = taken(self.address, queue_name(LISTENER), self.waiting(LISTENER))
        return [PriceAlert.decode(delivery.body, utc_now()) for delivery in deliveries]


def short_name(consumer: str) -> str:
    """Return `history` for `history` and for `tests.faults.sabotaged_consumers:history_without_dedupe`."""
    return consumer.rpartition(":")[2].partition("_")[0]


@contextmanager
def restarting(pipeline: Pipeline, consumer: str) -> Iterator["Restarting"]:
    """Run a consumer that a test can kill and start again, until the end of the block."""
    process = Restarting(pipeline, consumer)
    try:
        yield process
    finally:
        process.end()


class Restarting:
    def __init__(self, pipeline: Pipeline, consumer: str) -> None:
        self._world = pipeline
        self._consumer = consumer
        self._block = pipeline.consuming(consumer, ready=False)
        self.process = self._block.__enter__()

    def kill(self, meanwhile: Callable[[], None] = lambda: None) -> None:
        self.die()
        meanwhile()
        self.revive()

    def die(self) -> None:
        assert self.process.stop(signal.SIGKILL) == -signal.SIGKILL, self.process.output
        self.end()

    def revive(self) -> None:
        self._block = self._world.consuming(self._consumer, ready=False)
        self.process = self._block.__enter__()

    def end(self) -> None:
        self._block.__exit__(None, None, None)
