"""kill -9 of every process in turn, at random moments and under load, for minutes or for a night.

`./stockwire test --faults -k nightly --minutes 480` kills more than a thousand processes.
"""

import random
import shutil
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from infra.up.broker_supervisor import BrokerSupervisor
from infra.up.rabbitmq import PrivateBroker
from shared.events import StockData
from shared.times import parse_instant
from tests.celery_worker import results_by_task
from tests.faults.assertions import assert_prints, assert_stops
from tests.faults.ledger import Ledger, PromiseBroken, assert_none, check_alerts, read_alerts
from tests.faults.load import Load, prices
from tests.faults.markers import control, fault
from tests.faults.pipeline import RULES, SABOTAGED, Pipeline, Restarting, restarting
from tests.faults.sync_load import SyncLoad, Workers, children_of, events_of
from tests.faults.test_killed_broker import SETTLED
from tests.faults.test_killed_worker import finish
from tests.processes import until

# Each process is killed so often before everything is checked, with databases of its own.
ROUNDS = 2
# Events and syncs per second. Beat sends further syncs.
RATE = 300
SYNC_RATE = 0.3
BEAT_SCHEDULE = "5s"
# Seconds.
LONGEST = 1.0
RECOVERY = 90.0


@dataclass
class Running:
    """All processes of the pipeline, and the loads on it."""

    pipeline: Pipeline
    node: PrivateBroker
    consumers: dict[str, Restarting]
    workers: Workers
    load: Load
    syncs: SyncLoad

    @property
    def kills(self) -> dict[str, Callable[[], None]]:
        return {
            "broker": self._kill_broker,
            **{name: consumer.kill for name, consumer in self.consumers.items()},
            "worker": self.workers.kill,
            "pool process": self._kill_pool_process,
            "beat": self.workers.kill_beat,
        }

    def assert_goes_on(self, victim: str) -> None:
        """Wait until events are confirmed, stored and evaluated again. Raises PromiseBroken.

        A private node that fails at a queue is restarted, as `up` does it.
        """
        supervisor = BrokerSupervisor(self.node, self.consumers, self._last_output_line)
        progress: list[Callable[[], int]] = [lambda: self.load.confirmed, self.pipeline.stored, self.pipeline.raised]
        before = [count() for count in progress]
        deadline = time.monotonic() + RECOVERY
        while any(count() <= old for count, old in zip(progress, before, strict=True)):
            for notice in supervisor.restart_if_needed():
                print(notice)
            if time.monotonic() > deadline:
                raise PromiseBroken(
                    f"{RECOVERY:g} s after {victim} was killed: {[count() for count in progress]} confirmed, stored and"
                    f" raised, {before} before\n"
                    + "\n".join(consumer.process.output[-2000:] for consumer in self.consumers.values())
                )
            time.sleep(0.2)

    def _last_output_line(self, name: str) -> str:
        return next(reversed(self.consumers[name].process.output.splitlines()), "")

    def _kill_broker(self) -> None:
        self.node.kill()
        self.node.start()

    def _kill_pool_process(self) -> None:
        # A worker that was killed a moment ago has no pool yet, and while it waits for RabbitMQ it replaces no process.
        try:
            until(lambda: children_of(self.workers.now), "the process of the pool", RECOVERY)
        except AssertionError:
            print(self.workers.now.output[-5000:])
            raise
        self.workers.kill_process()


@contextmanager
def everything(pipeline: Pipeline, node: PrivateBroker, history: str) -> Iterator[Running]:
    pipeline.add_rules()
    pipeline.declare("history", "alerts")
    with (
        restarting(pipeline, history) as stores,
        restarting(pipeline, "alerts") as alerts,
        Workers(pipeline, "producer") as workers,
        SyncLoad(pipeline.address) as syncs,
        Load(pipeline.address, prices(10_000_000), rate=RATE) as load,
    ):
        workers.start_beat(BEAT_SCHEDULE)
        until(lambda: pipeline.stored() > RATE, "prices to be stored")
        time.sleep(SETTLED)
        yield Running(pipeline, node, {"history": stores, "alerts": alerts}, workers, load, syncs)


def kill_everything(pipeline: Pipeline, node: PrivateBroker, chaos: random.Random, history: str = "history") -> int:
    """Kill every process ROUNDS times, check every row and every alert, and return the number of kills."""
    killed = 0
    with everything(pipeline, node, history) as running:
        with running.syncs.sending(SYNC_RATE):
            for _ in range(ROUNDS):
                for victim, kill in chaos.sample(list(running.kills.items()), len(running.kills)):
                    time.sleep(chaos.uniform(0, LONGEST))
                    kill()
                    running.assert_goes_on(victim)
                    killed += 1
        # A process that was started a moment ago does not handle SIGTERM yet.
        assert_prints(running.workers.beat, "beat: Starting")
        assert_stops(running.workers.beat)
        load = running.load.stop()
        assert_prints(running.workers.now, "ready.")
        finish(pipeline, running.syncs, running.workers)
        for name, consumer in running.consumers.items():
            pipeline.drain(name, consumer.process)
    check(running, load)
    return killed


def check(running: Running, load: Ledger) -> None:
    pipeline, skipped = running.pipeline, running.workers.skipped()
    syncs = running.syncs.ledger(skipped)
    ledger = Ledger(
        {**load.attempted, **syncs.attempted, **synced_by_beat(pipeline)},
        load.confirmed | syncs.confirmed | confirmed_by_beat(running),
    )
    absorbed = pipeline.check_history(ledger)
    print(f"{len(ledger.confirmed)} confirmed, {len(skipped)} syncs skipped, {absorbed} redeliveries absorbed")
    # Syncs come in any order, so that only the alerts of the other load can be foretold.
    raised = read_alerts(pipeline.alerts)
    assert_none("alerts raised twice", [each for each, count in Counter(raised).items() if count > 1])
    check_alerts(load, [each for each in raised if each.event_id in load.attempted], RULES)


def synced_by_beat(pipeline: Pipeline) -> dict[str, StockData]:
    """Return the events, by id, that the simulated provider gives for each stored instant of a sync."""
    with closing(sqlite3.connect(pipeline.history)) as database:
        rows = database.execute("select distinct as_of from price_history where symbol glob 'S[0-9]*'").fetchall()
    return {event.id: event for (as_of,) in rows for event in events_of(parse_instant(as_of)).values()}


def confirmed_by_beat(running: Running) -> set[str]:
    """Return the ids of all events of beat's syncs that have succeeded."""
    found = set()
    for task, result in results_by_task(running.workers.folder).items():
        if task not in running.syncs.sent and "skipped" not in result and not result["failed"]:
            found |= events_of(parse_instant(result["at"])).keys()
    return found


@fault
def test_nightly_kills_of_every_process_lose_and_double_nothing(
    node: PrivateBroker, tmp_path: Path, chaos: random.Random, minutes: float
) -> None:
    begun, killed = time.monotonic(), 0
    while not killed or time.monotonic() < begun + 60 * minutes:
        pipeline = own_databases(node, tmp_path / f"after-{killed}-kills")
        killed += kill_everything(pipeline, node, chaos)
        print(f"{killed} kills in {(time.monotonic() - begun) / 60:.1f} minutes, nothing lost, nothing doubled")
        shutil.rmtree(pipeline.folder)


@control
def test_control_of_nightly_kills(node: PrivateBroker, tmp_path: Path, chaos: random.Random) -> None:
    kill_everything(own_databases(node, tmp_path), node, chaos, f"{SABOTAGED}:history_without_dedupe")


def own_databases(node: PrivateBroker, folder: Path) -> Pipeline:
    folder.mkdir(exist_ok=True)
    return Pipeline(replace(node.address, heartbeat=2), folder)
