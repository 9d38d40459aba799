"""Memory of a consumer: little with any backlog, and no growth over a million messages."""

import re
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from itertools import islice
from pathlib import Path

import pytest

from shared.messaging.messages import price_message
from shared.messaging.publisher import Publisher
from tests.faults.ledger import PromiseBroken, count_history
from tests.faults.load import prices
from tests.faults.markers import control
from tests.faults.pipeline import Pipeline
from tests.processes import Process, stockwire, until

MEGABYTE = 1024 * 1024
MOST = 100 * MEGABYTE
# Python's heap and SQLite's caches vary by this much.
SLACK = 8 * MEGABYTE
BACKLOG = 400_000
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
