"""Few file descriptors, many commands at once: each process does its work, or says on one line what it lacks."""

import sys

from shared.settings import ROOT
from tests.event_factories import message
from tests.faults.markers import fault
from tests.faults.pipeline import Pipeline
from tests.processes import Process, running, stockwire, until
from tests.queues import publish

RULES_AT_ONCE = 24


def limited(descriptors: int) -> list[str]:
    """Return the command of a history consumer that may open this many files and sockets at a time."""
    script = f'ulimit -n {descriptors} && exec "$0" -m consumers history'
    return ["sh", "-c", script, sys.executable]


@fault
def test_a_consumer_works_with_ten_file_descriptors(pipeline: Pipeline) -> None:
    pipeline.declare("history")
    publish(pipeline.address, message())
    with running(*limited(10), environment=pipeline.environment) as process:
        until(lambda: pipeline.stored() == 1, "the price to be stored")
        assert process.stop() == 0, process.output


@fault
def test_a_consumer_with_too_few_file_descriptors_ends_with_one_line(pipeline: Pipeline) -> None:
    with running(*limited(6), environment=pipeline.environment) as process:
        assert process.wait() == 1
    assert process.output.startswith("stockwire: ")
    assert len(process.output.splitlines()) == 1


@fault
def test_rules_added_at_once_are_all_kept(pipeline: Pipeline) -> None:
    names = [f"rule-{number:02}" for number in range(RULES_AT_ONCE)]
    command = [str(ROOT / "stockwire"), "rules", "add"]
    added = [Process([*command, name, "AAPL above 1"], pipeline.environment) for name in names]
    try:
        assert [process.wait(120) for process in added] == [0] * RULES_AT_ONCE
    finally:
        for process in added:
            process.end()
    listed = stockwire("rules", "list", "--format", "csv", environment=pipeline.environment).stdout
    assert all(name in listed for name in names)
