"""Syncs sent to Celery workers, and the workers that a test kills."""

import os
import signal
import threading
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Self

from celery import Celery
from kombu.exceptions import OperationalError

from producer.celery_app import queue
from producer.market_service import make_event
from producer.providers.simulated import SimulatedProvider
from producer.task_queue.topology import QUEUE
from shared.events import StockData
from shared.messaging.address import BrokerAddress
from shared.times import format_instant, utc_now
from tests.celery_worker import children, have_open, results_by_task
from tests.faults.ledger import Ledger
from tests.faults.pipeline import Pipeline
from tests.processes import Process, copy_checkout, running, until
from tests.queues import waiting

SYMBOLS = tuple(f"S{number}" for number in range(300))


def events_of(at: datetime) -> dict[str, StockData]:
    """Return the events, by id, that a sync of SYMBOLS publishes as of this instant."""
    provider = SimulatedProvider()
    quotes = provider.quotes(SYMBOLS, at).items()
    events = [make_event(provider.name, symbol, quote, at) for symbol, quote in quotes]
    return {event.id: event for event in events}


class SyncLoad:
    """A sender of syncs, each as of another second of the last half hour, that remembers the events of each task id."""

    def __init__(self, address: BrokerAddress) -> None:
        self.sent: dict[str, dict[str, StockData]] = {}
        self.accepted: set[str] = set()
        self._first = utc_now() - timedelta(minutes=30)
        self._client = Celery("test", broker=address.url(), set_as_current=False)
        self._client.conf.update(
            broker_transport_options={"confirm_publish": True}, task_queues=[queue()], task_default_queue=QUEUE
        )

    @property
    def first(self) -> str:
        """The instant of the first sync."""
        return format_instant(self._first)

    def send(self) -> None:
        """Send one sync, and return when RabbitMQ has confirmed it."""
        task, at = str(uuid.uuid4()), self._first + timedelta(seconds=len(self.sent))
        self.sent[task] = events_of(at)
        self._client.send_task("producer.sync", kwargs={"at": format_instant(at)}, task_id=task)
        self.accepted.add(task)

    def ledger(self, skipped: set[str]) -> Ledger:
        """Return the events of all syncs; confirmed are those of syncs that RabbitMQ took and no worker skipped."""
        attempted = {event: data for events in self.sent.values() for event, data in events.items()}
        return Ledger(attempted, {event for task in self.accepted - skipped for event in self.sent[task]})

    @contextmanager
    def sending(self, rate: float) -> Iterator[None]:
        """Send `rate` syncs per second until the end of the block."""
        enough = threading.Event()

        def run() -> None:
            while not enough.wait(1 / rate):
                # A sync that RabbitMQ did not take is sent, and not accepted.
                with suppress(OperationalError):
                    self.send()

        thread = threading.Thread(target=run)
        thread.start()
        try:
            yield
        finally:
            enough.set()
            thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()


class Workers:
    """Celery workers in one copy of the project, started one after the other; `now` is the latest."""

    def __init__(self, pipeline: Pipeline, app: str, pool: str = "prefork", **settings: str) -> None:
        self.folder = copy_checkout(pipeline.folder)
        self.now: Process
        self.beat: Process
        self._address = pipeline.address
        celery = ("python", "-m", "celery", "-A", app)
        self._command = (*celery, "worker", "--concurrency=1", f"--pool={pool}", "--loglevel=info")
        self._beat_command = (*celery, "beat", "--loglevel=info")
        self._schedule = ""
        values = {"SYMBOLS": ",".join(SYMBOLS), "SCHEDULE": "1h", **settings}
        own = {f"STOCKWIRE_{name}": value for name, value in values.items()}
        self._environment = {**pipeline.environment, **own, "PYTHONPATH": str(self.folder)}
        self._stack = ExitStack()

    def start(self) -> Process:
        # Its process group ends with the block, so that a test sees which processes a killed worker leaves.
        block = running(*self._command, environment=self._environment, folder=self.folder)
        self.now = self._stack.enter_context(block)
        return self.now

    def kill(self) -> None:
        self.now.send(signal.SIGKILL)
        self.start()

    def start_beat(self, schedule: str) -> None:
        """Start a beat beside the worker, which sends syncs of its own."""
        self._schedule = schedule
        environment = {**self._environment, "STOCKWIRE_SCHEDULE": schedule}
        block = running(*self._beat_command, environment=environment, folder=self.folder)
        self.beat = self._stack.enter_context(block)

    def kill_beat(self) -> None:
        self.beat.send(signal.SIGKILL)
        self.start_beat(self._schedule)

    def kill_process(self) -> None:
        """Kill the pool process, which runs the syncs."""
        for process in children_of(self.now):
            with suppress(ProcessLookupError):
                os.kill(int(process), signal.SIGKILL)

    def replace_process(self) -> None:
        before = set(children_of(self.now))
        self.kill_process()
        until(lambda: set(children_of(self.now)) - before, "another process in the pool")

    def syncing(self) -> bool:
        return have_open(self.folder / "var" / "sync.lock", set(children_of(self.now)))

    def left_behind(self) -> list[str]:
        return children(self.folder)

    def skipped(self) -> set[str]:
        return {task for task, result in results_by_task(self.folder).items() if "skipped" in result}

    def has_nothing_to_take(self) -> bool:
        return waiting(self._address, QUEUE) == 0

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()


def children_of(process: Process) -> list[str]:
    try:
        return Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    except OSError:
        return []
