"""The RabbitMQ users of Stockwire: one per process, and one for the commands that a person runs."""

from collections.abc import Sequence
from dataclasses import dataclass

from consumers.registry import find_consumer
from consumers.web.live.arrivals import web_consumer
from infra.dead_letters import PERMISSIONS as DEAD_LETTERS
from infra.up.stack import CONSUMERS
from producer.task_queue.topology import BEAT, WORKER
from shared.messaging.consumer import Consumer
from shared.messaging.permissions import OPERATOR, Permissions

WEB = "web"


@dataclass(frozen=True)
class ProcessUser:
    """The user of one process. `tags` let it use RabbitMQ's management page."""

    process: str
    permissions: Permissions
    tags: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return f"stockwire-{self.process}"


def process_users() -> list[ProcessUser]:
    return [
        ProcessUser("worker", WORKER),
        ProcessUser("beat", BEAT),
        *(ProcessUser(each.name, each.permissions(each.queue_spec())) for each in consumers()),
        ProcessUser(WEB, web_permissions()),
        ProcessUser("operator", OPERATOR, ("management",)),
    ]


def web_permissions() -> Permissions:
    """Return the permissions for live events, which arrive at a queue of web's own, and for dead letters."""
    consumer = web_consumer(lambda _events: None)
    return consumer.permissions(consumer.queue_spec()) | DEAD_LETTERS


def consumers() -> Sequence[Consumer]:
    return [find_consumer(name) for name in CONSUMERS]
