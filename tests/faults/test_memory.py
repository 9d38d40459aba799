"""Memory of a consumer: little with any backlog and any size of messages, and no growth over a million messages."""

import hashlib
import re
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from dataclasses import replace
from itertools import islice
from pathlib import Path

import pytest

from shared.events import StockData
from shared.messaging.dead_letters import dropped_body
from shared.messaging.messages import DroppedBody, Message, price_message
from shared.messaging.publisher import Publisher
from shared.messaging.topology import EXCHANGE, dead_queue_name, queue_name
from tests.event_factories import changed_body
from tests.faults.ledger import PromiseBroken, count_history
from tests.faults.load import prices
from tests.faults.markers import control, fault
from tests.faults.pipeline import Pipeline
from tests.processes import Process, stockwire, until
from tests.queues import dead_letters, publish_large, waiting

MEGABYTE = 1024 * 1024
MOST = 100 * MEGABYTE
# Python's heap and SQLite's caches vary by this much.
SLACK = 8 * MEGABYTE
BACKLOG = 400_000
HUGE = 100
HUGE_BODY = b"x" * 4 * MEGABYTE
LARGE_EVENTS = 1500
CONSUMERS = {"history": "consumers.history.handler:history", "alerts": "consumers.alerts.handler:alerts"}

pytestmark = pytest.mark.timeout(1200)


def memory(process: Process, field: str) -> int:
    """Return resident memory in bytes: `VmRSS` is the current size, `VmHWM` the peak."""
    found = re.search(rf"{field}:\s+(\d+) kB", Path(f"/proc/{process.pid}/status").read_text())
    assert found
    return int(found[1]) * 1024


def check_peak(name: str, process: Process) -> None:
    peak = memory(process, "VmHWM")
    print(f"{name}: at most {peak / MEGABYTE:.0f} MB resident")
    if peak > MOST:
        raise PromiseBroken(f"{name} took {peak / MEGABYTE:.0f} MB")


def check_growth(pipeline: Pipeline, paths: Mapping[str, str], some: int, all_of_them: int) -> None:
    """Compare the memory of each consumer after some messages with its memory after all messages."""
    pipeline.declare(*paths)
    pipeline.add_rules()
    events = prices(all_of_them)
    with Publisher(pipeline.address, "load") as publisher, ExitStack() as stack:
        processes = {name: stack.enter_context(pipeline.consuming(path)) for name, path in paths.items()}
        before = {}
        for count in (some, all_of_them - some):
            publisher.publish(price_message(event) for event in islice(events, count))
            drain(pipeline, paths)
            after = {name: memory(process, "VmRSS") for name, process in processes.items()}
            grown = {name: after[name] - before.get(name, after[name]) for name in paths}
            before = after
    for name, growth in grown.items():
        print(f"{name}: {after[name] / MEGABYTE:.0f} MB resident, {growth / MEGABYTE:+.1f} MB")
        if growth > SLACK:
            raise PromiseBroken(f"{name} grew by {growth / MEGABYTE:.1f} MB")


def drain(pipeline: Pipeline, names: Iterable[str]) -> None:
    for name in names:
        until(lambda name=name: pipeline.waiting(name) == 0, f"an empty queue of {name}", 600)


def store_between_large_messages(pipeline: Pipeline, paths: Mapping[str, str]) -> None:
    """Let consumers take bodies of 4 MiB and valid events of 60 kB from a backlog, and compare their peak with MOST."""
    pipeline.declare(*paths)
    pipeline.add_rules()
    events = list(prices(LARGE_EVENTS))
    huge = [Message(EXCHANGE, "stock.HUGE.price", HUGE_BODY, {"message_id": str(number)}) for number in range(HUGE)]
    publish_large(pipeline.address, *huge, *map(large_message, events))
    with ExitStack() as stack:
        processes = {name: stack.enter_context(pipeline.consuming(path)) for name, path in paths.items()}
        for name, process in processes.items():
            until(lambda name=name, process=process: has_finished(pipeline, name, process), f"the end of {name}", 60)
            check_peak(name, process)
            pipeline.drain(name, process)
    assert pipeline.stored() == LARGE_EVENTS
    for name in paths:
        dropped = {dropped_body(delivery) for delivery in dead_letters(pipeline.address, queue_name(name))}
        assert dropped == {DroppedBody(len(HUGE_BODY), hashlib.sha256(HUGE_BODY).hexdigest())}


def has_finished(pipeline: Pipeline, name: str, process: Process) -> bool:
    """Return True if the consumer has handled the huge bodies and history has its rows, or if it takes too much."""
    dead = waiting(pipeline.address, dead_queue_name(queue_name(name)))
    return (dead == HUGE and pipeline.stored() == LARGE_EVENTS) or memory(process, "VmHWM") > MOST


def large_message(event: StockData) -> Message:
    """Return the message of an event with a field of 60 kB that no reader knows."""
    body = changed_body(event.encode(), {"note": "x" * 60_000}, {})
    return replace(price_message(event), body=body)


@fault
def test_consumers_stay_small_with_large_messages(pipeline: Pipeline) -> None:
    store_between_large_messages(pipeline, CONSUMERS)


@control
def test_control_of_large_messages(pipeline: Pipeline) -> None:
    store_between_large_messages(pipeline, {"history": "tests.faults.sabotaged_consumers:history_holding_everything"})


@pytest.mark.slow
def test_consumers_stay_small_through_the_real_file_with_a_backlog(pipeline: Pipeline, all_real_prices: Path) -> None:
    pipeline.declare(*CONSUMERS)
    pipeline.add_rules()
    assert stockwire("replay", str(all_real_prices), environment=pipeline.environment, timeout=600).returncode == 0
    assert all(pipeline.waiting(name) > BACKLOG for name in CONSUMERS)
    with ExitStack() as stack:
        processes = {name: stack.enter_context(pipeline.consuming(path)) for name, path in CONSUMERS.items()}
        drain(pipeline, CONSUMERS)
        for name, process in processes.items():
            check_peak(name, process)
            assert process.stop() == 0
    assert count_history(pipeline.history) == 415_080


@pytest.mark.slow
def test_consumers_do_not_grow_over_a_million_messages(pipeline: Pipeline) -> None:
    check_growth(pipeline, CONSUMERS, 200_000, 1_000_000)


@control
def test_control(pipeline: Pipeline) -> None:
    check_growth(pipeline, {"history": "tests.faults.leaking_consumer:history"}, 20_000, 60_000)
