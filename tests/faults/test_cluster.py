"""Nodes of a cluster are killed under load: the queues go on or wait for a majority, and lose nothing."""

import random
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from shared.errors import BrokerError, ProcessError
from shared.messaging.topology import QueueSpec, queue_name
from tests.conftest import unavailable
from tests.event_factories import messages
from tests.faults.assertions import assert_eventually
from tests.faults.cluster import Cluster, cluster
from tests.faults.ledger import Ledger, PromiseBroken
from tests.faults.load import Load, OpenPublisher, confirmed_publisher, prices
from tests.faults.markers import control, fault
from tests.faults.pipeline import Pipeline
from tests.faults.sabotaged_consumers import without_confirms
from tests.processes import until
from tests.proxy import Proxy, proxy
from tests.queues import declare_raw, publish, waiting

RATE = 1000
HISTORY = queue_name("history")
# In seconds. On an idle machine a new leader was elected after 1.2 s.
AVAILABLE = 15.0
DOWN = 12.0


@pytest.fixture
def nodes(tmp_path: Path) -> Iterator[Cluster]:
    try:
        with cluster(tmp_path / "cluster") as made:
            yield made
    except ProcessError as error:
        unavailable(str(error))


@dataclass
class Scene:
    pipeline: Pipeline
    load: Load

    def goes_on(self, what: str, timeout: float) -> float:
        """Return the seconds until a new event is confirmed and stored. Raises PromiseBroken."""
        begun, attempted = time.monotonic(), len(self.load.ledger.attempted)
        assert_eventually(lambda: self.load.confirmed > attempted, f"the publisher to go on {what}", timeout)
        assert_eventually(lambda: self.pipeline.stored() > attempted, f"history to go on {what}", timeout)
        return time.monotonic() - begun


@contextmanager
def loaded_pipeline(balancer: Proxy, folder: Path, publisher: OpenPublisher) -> Iterator[Scene]:
    """Run both consumers under load. At the end, drain the queues and check all rows and alerts."""
    pipeline = Pipeline(replace(balancer.address, heartbeat=2), folder)
    pipeline.declare("history", "alerts")
    pipeline.add_rules()
    with (
        pipeline.consuming("history") as history,
        pipeline.consuming("alerts") as alerts,
        Load(pipeline.address, prices(1_000_000), rate=RATE, publisher=publisher) as load,
    ):
        until(lambda: pipeline.stored() > RATE, "prices to be stored")
        yield Scene(pipeline, load)
        ledger = load.stop()
        pipeline.drain("history", history)
        pipeline.drain("alerts", alerts)
    check(pipeline, ledger)


def check(pipeline: Pipeline, ledger: Ledger) -> None:
    print(f"{len(ledger.confirmed)} confirmed, {pipeline.check_history(ledger)} redeliveries absorbed")
    pipeline.check_alerts(ledger)


def kill_leaders(
    nodes: Cluster, folder: Path, chaos: random.Random, times: int, publisher: OpenPublisher = confirmed_publisher
) -> None:
    """Kill the node that leads the queue and start it again, `times` times."""
    order = chaos.sample(nodes.nodes, len(nodes.nodes))
    with proxy(*(node.address for node in order)) as balancer, loaded_pipeline(balancer, folder, publisher) as scene:
        for _ in range(times):
            nodes.wait_until_whole(HISTORY)
            leader = nodes.leader_of(HISTORY)
            leader.kill()
            gap = scene.goes_on("without a leader", AVAILABLE)
            print(f"available again after {gap:.1f} s, without {leader.name} of {[node.name for node in order]}")
            leader.start()


def kill_majority(
    nodes: Cluster, folder: Path, chaos: random.Random, publisher: OpenPublisher = confirmed_publisher
) -> None:
    """Kill two of three nodes: nothing may be confirmed until they are back, and then everything continues."""
    with (
        proxy(*(node.address for node in nodes.nodes)) as balancer,
        loaded_pipeline(balancer, folder, publisher) as scene,
    ):
        killed = chaos.sample(nodes.nodes, 2)
        for node in killed:
            node.kill()
        begun = time.monotonic()
        time.sleep(DOWN / 2)
        confirmed = scene.load.confirmed
        time.sleep(DOWN / 2)
        if scene.load.confirmed > confirmed:
            raise PromiseBroken(f"{scene.load.confirmed - confirmed} events confirmed by one node of three")
        nodes.start(*killed)
        scene.goes_on("with its majority", 60)
        print(f"a gap of {time.monotonic() - begun:.1f} s")


def outlive(nodes: Cluster, arguments: dict[str, Any]) -> None:
    """Kill a node: the messages of its queue must be available at once from the other nodes."""
    first, *others = nodes.nodes
    with proxy(*(node.address for node in others)) as balancer:
        declare_raw(first.address, HISTORY, arguments)
        publish(first.address, *messages(100))
        first.kill()

        def is_whole() -> bool:
            with suppress(BrokerError):
                return waiting(balancer.address, HISTORY) == 100
            return False

        assert_eventually(is_whole, "the queue of a dead node", AVAILABLE)


@fault
def test_the_leader_killed_twice_loses_nothing_and_is_replaced_at_once(
    nodes: Cluster, tmp_path: Path, chaos: random.Random
) -> None:
    kill_leaders(nodes, tmp_path, chaos, 2)


@fault
def test_two_of_three_nodes_down_stall_everything_and_lose_nothing(
    nodes: Cluster, tmp_path: Path, chaos: random.Random
) -> None:
    kill_majority(nodes, tmp_path, chaos)


@fault
def test_our_queues_outlive_a_node(nodes: Cluster) -> None:
    outlive(nodes, QueueSpec(HISTORY, ()).arguments)


@control
def test_control_of_killed_leaders(nodes: Cluster, tmp_path: Path, chaos: random.Random) -> None:
    kill_leaders(nodes, tmp_path, chaos, 2, without_confirms)


@control
def test_control_of_a_lost_majority(nodes: Cluster, tmp_path: Path, chaos: random.Random) -> None:
    kill_majority(nodes, tmp_path, chaos, without_confirms)


@control
def test_control_of_outliving_a_node(nodes: Cluster) -> None:
    outlive(nodes, {"x-queue-type": "classic"})
