"""A broker, databases, and the processes on them, as a fault test sees them."""

import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

from sqlalchemy.engine import make_url

from consumers.alerts.models import SCHEMA
from consumers.alerts.rulebook import add_rule
from consumers.alerts.rules import parse_condition
from shared.database import opened
from shared.messaging.address import BrokerAddress
from shared.messaging.connection import connected
from shared.messaging.topology import LIVE_PRICES, QueueSpec, count_messages, declare_queue, queue_name
from shared.schema import create_schema
from shared.times import utc_now
from tests.faults.counted import DELIVERIES, read_deliveries
from tests.faults.ledger import (
    Ledger,
    check_alerts,
    check_deliveries,
    check_history,
    count_history,
    read_alerts,
    read_history,
)
from tests.harness import channel_to
from tests.processes import Process, running, until

COUNTED = "tests.faults.counted"
BROKEN = "tests.faults.broken"
# Rules by name, each `* crossing <threshold>`.
RULES = {"100": Decimal(100), "97": Decimal(97)}


@dataclass
class World:
    """The address of a broker and a folder for databases and ledgers of deliveries.

    `through` is the address that processes are given, where it is another than the broker's own.
    """

    address: BrokerAddress
    folder: Path
    through: BrokerAddress | None = None
    history: Path = field(init=False)
    alerts: Path = field(init=False)

    def __post_init__(self) -> None:
        self.history = self.folder / "history.db"
        self.alerts = self.folder / "alerts.db"

    @property
    def environment(self) -> dict[str, str]:
        return {
            "STOCKWIRE_AMQP_URL": (self.through or self.address).url(),
            "STOCKWIRE_HISTORY_URL": f"sqlite:///{self.history}",
            "STOCKWIRE_ALERTS_URL": f"sqlite:///{self.alerts}",
            DELIVERIES: str(self.folder),
        }

    def declare(self, *names: str) -> None:
        """The queues of these consumers, as they declare them themselves, so that nothing published before is lost."""
        with channel_to(self.address) as channel:
            for name in names:
                spec = QueueSpec(queue_name(name), (LIVE_PRICES,), single_active=name == "alerts")
                declare_queue(channel, spec)

    def add_rules(self) -> None:
        with opened(make_url(self.environment["STOCKWIRE_ALERTS_URL"])) as engine:
            create_schema(engine, SCHEMA)
            for name, threshold in RULES.items():
                add_rule(engine, name, parse_condition(f"* crossing {threshold}"), utc_now())

    def command(self, consumer: str) -> list[str]:
        """What runs a consumer: `history`, `alerts`, or one of tests/faults as module:object."""
        return ["python", "-m", "consumers", consumer if ":" in consumer else f"{COUNTED}:{consumer}"]

    @contextmanager
    def consuming(self, consumer: str, *, ready: bool = True) -> Iterator[Process]:
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

    def drain(self, name: str, *processes: Process, timeout: float = 120) -> None:
        """Let the consumers of a queue finish and end them well; nothing may be left that is not acknowledged."""
        until(lambda: self.waiting(name) == 0, f"an empty queue of {name}", timeout)
        for process in processes:
            process.wait_for("consuming")
            assert process.stop() == 0, process.output
        # What was not acknowledged is back in the queue now.
        until(lambda: self.waiting(name) == 0, f"everything in {name} to be acknowledged", 5)

    def check_history(self, ledger: Ledger, dead: Sequence[str] = ()) -> int:
        """All that must hold of history; says how many redeliveries were absorbed."""
        rows = read_history(self.history)
        check_history(ledger, rows, dead)
        return check_deliveries([each for each in self.deliveries("history") if each not in set(dead)], rows)

    def check_alerts(self, ledger: Ledger) -> None:
        check_alerts(ledger, read_alerts(self.alerts), RULES)


@contextmanager
def restarting(world: World, consumer: str) -> Iterator["Restarting"]:
    """A consumer that is started again each time it is killed, and asked to end well at the end of the block."""
    process = Restarting(world, consumer)
    try:
        yield process
    finally:
        process.end()


class Restarting:
    def __init__(self, world: World, consumer: str) -> None:
        self._world = world
        self._consumer = consumer
        self._block = world.consuming(consumer, ready=False)
        self.process = self._block.__enter__()

    def kill(self, meanwhile: Callable[[], None] = lambda: None) -> None:
        assert self.process.stop(signal.SIGKILL) == -signal.SIGKILL, self.process.output
        self.end()
        meanwhile()
        self._block = self._world.consuming(self._consumer, ready=False)
        self.process = self._block.__enter__()

    def end(self) -> None:
        self._block.__exit__(None, None, None)
