"""Dead letters for the HTTP API: looked into, sent back or deleted, while RabbitMQ answers."""

from collections.abc import Iterator
from contextlib import contextmanager

from consumers.web.dead_letters import DeadLetter, DeadLetters, DeadQueue, DroppedLetters, RequeuedLetters
from infra.dead_letters import PERMISSIONS, count_all, full_queue_name, readable_lines
from infra.health.broker_probe import BrokerProbe
from shared.messaging import dead_letters
from shared.messaging.address import BrokerAddress
from shared.messaging.amqp.connection import Connection, connected
from shared.messaging.messages import Delivery
from shared.messaging.publisher import Publisher

# Characters of a body that are shown.
MAX_BODY_SHOWN = 16_384

_NAME = "dead letters"


class DeadLetterOffice:
    """Each call has a connection of its own. All raise BrokerError, within 2 s if RabbitMQ is away.

    `queue` is a consumer's name or its queue. Raises SettingsError if it has no dead letter queue.
    """

    def __init__(self, address: BrokerAddress, probe: BrokerProbe) -> None:
        self._address = address
        self._probe = probe

    def count(self) -> list[DeadQueue]:
        """Return the number of dead letters of each built-in consumer that has run."""
        with self._connected() as connection:
            return [DeadQueue(queue, count) for queue, count in count_all(connection).items()]

    def peek(self, queue: str, limit: int) -> DeadLetters:
        """Return the oldest `limit` dead letters of a queue, which stay where they are."""
        with self._connected() as connection:
            name = full_queue_name(connection, queue)
            letters = dead_letters.peek(connection, name, limit, _letter)
            count = dead_letters.count_dead_letters(connection, name)
            return DeadLetters(name, max(count or 0, len(letters)), letters)

    def requeue(self, queue: str) -> RequeuedLetters:
        """Send the dead letters of a queue back to it, except those without their body."""
        with (
            self._connected() as connection,
            Publisher(self._address, _NAME, permissions=PERMISSIONS) as publisher,
        ):
            name = full_queue_name(connection, queue)
            return RequeuedLetters(name, *dead_letters.requeue(connection, publisher, name))

    def drop(self, queue: str) -> DroppedLetters:
        """Delete the dead letters of a queue."""
        with self._connected() as connection:
            name = full_queue_name(connection, queue)
            return DroppedLetters(name, dead_letters.purge(connection, name))

    @contextmanager
    def _connected(self) -> Iterator[Connection]:
        self._probe.require()
        with connected(self._address, _NAME, PERMISSIONS) as connection:
            yield connection


def _letter(delivery: Delivery) -> DeadLetter:
    death = dead_letters.describe_death(delivery)
    dropped = dead_letters.dropped_body(delivery)
    text = None if dropped else "\n".join(readable_lines(delivery.body))
    message_id = delivery.properties.get("message_id")
    return DeadLetter(
        died_at=death.died_at,
        reason=death.reason,
        routing_key=death.routing_key,
        message_id=None if message_id is None else str(message_id),
        properties={name: str(value) for name, value in delivery.properties.items() if name != "headers"},
        headers={name: str(value) for name, value in dead_letters.trusted_headers(delivery).items()},
        body=None if text is None else text[:MAX_BODY_SHOWN],
        body_size=dropped.size if dropped else len(delivery.body),
        is_cut=text is not None and len(text) > MAX_BODY_SHOWN,
    )
