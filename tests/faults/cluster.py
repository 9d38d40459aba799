"""A RabbitMQ cluster of three nodes, each of which can be killed and started again."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infra.up.install import find_server, install_server
from infra.up.rabbitmq import PrivateBroker, free_port
from infra.up.watchdog import Watchdog
from tests.processes import until

NAMES = ("one", "two", "three")
COOKIE = "stockwire"


class Port(PrivateBroker):
    """The port mapper through which the nodes find each other."""

    def commands(self) -> list[list[str]]:
        return super().commands()[:1]

    def _wait_until_up(self) -> None:
        """Return at once: the port mapper is up long before a node asks for it."""


class Node(PrivateBroker):
    """A node without its own port mapper."""

    def commands(self) -> list[list[str]]:
        return super().commands()[1:]


@dataclass
class Cluster:
    nodes: list[PrivateBroker]

    @property
    def living(self) -> list[PrivateBroker]:
        return [node for node in self.nodes if node.running]

    def start(self, *nodes: PrivateBroker) -> None:
        """Start the nodes at the same time: a node waits for the nodes that stopped together with it."""
        with ThreadPoolExecutor() as pool:
            list(pool.map(PrivateBroker.start, nodes))

    def leader_of(self, queue: str) -> PrivateBroker:
        name = self._queue(queue)["leader"]
        return next(node for node in self.nodes if node.node == name)

    def wait_until_whole(self, queue: str) -> None:
        """Wait until every node has the queue again."""
        until(lambda: len(self._queue(queue)["online"]) == len(self.nodes), f"{queue} to be on every node", 60)

    def _queue(self, queue: str) -> dict[str, Any]:
        answer = self.living[0].rabbitmqctl("list_queues", "name", "leader", "online", "--formatter", "json")
        return next(each for each in json.loads(answer) if each["name"] == queue)


@contextmanager
def cluster(folder: Path) -> Iterator[Cluster]:
    """Run a cluster of three nodes in which a minority pauses. Raises ProcessError."""
    server = find_server() or install_server()
    port = free_port()
    peers = "".join(f"cluster_formation.classic_config.nodes.{name} = {name}@localhost\n" for name in NAMES)
    config = (
        "cluster_partition_handling = pause_minority\ncluster_formation.peer_discovery_backend = classic_config\n"
        + peers
    )
    mapper = Port(folder / "epmd", server, epmd_port=port)
    nodes: list[PrivateBroker] = [
        Node(folder / name, server, name, epmd_port=port, extra_config=config) for name in NAMES
    ]
    for node in nodes:
        _write_cookie(node.folder)
    watchdog = Watchdog([*(node.process_file for node in nodes), mapper.process_file], folder / "watchdog.log")
    try:
        watchdog.start()
        mapper.start()
        first, *others = nodes
        # The first node forms the cluster that the others join.
        first.start()
        made = Cluster(nodes)
        made.start(*others)
        yield made
    finally:
        with ThreadPoolExecutor() as pool:
            list(pool.map(PrivateBroker.kill, nodes))
        mapper.kill()
        watchdog.stop()


def _write_cookie(folder: Path) -> None:
    folder.mkdir(parents=True)
    path = folder / ".erlang.cookie"
    path.write_text(COOKIE)
    path.chmod(0o400)
