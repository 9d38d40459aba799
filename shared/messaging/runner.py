"""The loop that runs a consumer, through every loss of the broker, until it is asked to stop."""

import logging
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby

from shared.backoff import Backoff
from shared.errors import BrokerError, BrokerUnavailable, PublishError
from shared.messaging.address import BrokerAddress
from shared.messaging.amqp.connection import Connection, connect, translate_errors
from shared.messaging.amqp.declarations import declare_queue, redeclare_queue
from shared.messaging.amqp.frames import ChannelClosed, ConsumerCancelled
from shared.messaging.amqp.subscription import StopRequested, Subscription
from shared.messaging.consumer import Consumer
from shared.messaging.delivery import DeliveryPolicy
from shared.messaging.messages import Delivery
from shared.messaging.publisher import Publisher
from shared.messaging.topology import QueueSpec, queue_name
from shared.settings import Settings
from shared.signals import Stop

log = logging.getLogger(__name__)

# So many batches are under way to us or in work: the broker never waits for an acknowledgement.
BATCHES = 2
# RabbitMQ counts a crash against everything that was delivered, not only against what caused it. What has come back
# this often is worked on in smaller and smaller pieces, so that what is healthy before the cause gets done ...
SUSPICIOUS = 3
# ... and what has come back this often is taken one at a time, so that a crash counts against its cause alone. Not
# sooner: of messages given back by a lost connection, one that is given back once more goes behind the others.
DANGEROUS = 10
# In seconds.
DEAD_LETTER_TIMEOUT = 5.0
DECLARE_EVERY = 2.0


def run_consumer(
    consumer: Consumer, settings: Settings, stop: Stop, *, queue: str | None = None, patterns: Sequence[str] = ()
) -> None:
    """Consume until `stop` is requested; `queue` and `patterns` replace the consumer's own.

    Raises BrokerError where the broker cannot be reached at the start, TopologyConflict, and what the handler raises
    that is neither a fault of an event nor passing.
    """
    own = f"{queue_name(consumer.name)}.{uuid.uuid4().hex[:8]}" if consumer.transient else queue_name(consumer.name)
    spec = QueueSpec(
        name=queue or own,
        patterns=tuple(patterns) or consumer.patterns,
        unwanted_patterns=tuple(pattern for pattern in consumer.patterns if patterns and pattern not in patterns),
        single_active=consumer.single_active,
        transient=consumer.transient,
    )
    address = settings.amqp_url
    try:
        connection = connect(address, consumer.name)
    except BrokerError:
        if stop.requested:
            return
        raise
    dead_letters = Publisher(address, f"{consumer.name} dead letters", timeout=DEAD_LETTER_TIMEOUT, stop=stop)
    try:
        with consumer.open(settings) as handler, dead_letters as publisher:
            policy = DeliveryPolicy(consumer, spec.name, handler, publisher, stop)
            _Runner(address, consumer, spec, policy, stop).run(connection)
    except BaseException:
        connection.abort()
        raise


class _Runner:
    def __init__(
        self, address: BrokerAddress, consumer: Consumer, spec: QueueSpec, policy: DeliveryPolicy, stop: Stop
    ) -> None:
        self._address = address
        self._name = consumer.name
        self._max_batch = consumer.max_batch
        self._spec = spec
        self._policy = policy
        self._stop = stop
        self._prefetch = BATCHES * consumer.max_batch
        self._one_by_one = False
        self._backoff = Backoff()

    def run(self, connection: Connection) -> None:
        try:
            while True:
                connection = self._consume(connection)
        except StopRequested:
            log.info("stopped")

    def _consume(self, connection: Connection) -> Connection:
        """Work until the connection or the subscription ends; returns the next connection, or raises StopRequested."""
        try:
            self._subscribe_and_work(connection)
            # With the whole connection, unlike a channel alone, messages go back in their order.
            connection.close_gracefully()
        except StopRequested:
            connection.close_gracefully()
            raise
        except (BrokerUnavailable, ChannelClosed, ConsumerCancelled, PublishError) as error:
            connection.abort()
            log.warning("%s; connecting again", error)
        except BaseException:
            connection.abort()
            raise
        return self._reconnect()

    def _reconnect(self) -> Connection:
        while not self._stop.wait(self._backoff.next_delay()):
            try:
                return connect(self._address, self._name)
            except BrokerError as error:
                # Refusals too: a broker that is starting up may not know its users yet.
                log.warning("%s; trying again", error)
        raise StopRequested

    def _subscribe_and_work(self, connection: Connection) -> None:
        """Declare everything, consume, and return when messages should come one by one on another connection."""
        channel = connection.open_channel()
        with translate_errors(connection):
            declare_queue(channel, self._spec)
        subscription = Subscription(connection, channel)
        with self._stop.calling(subscription.wake):
            subscription.start(self._spec.name, 1 if self._one_by_one else self._prefetch)
            log.info("consuming %s (%s) at %s", self._spec.name, " ".join(self._spec.patterns), self._address)
            self._backoff.reset()
            for batch in self._take(subscription, lambda: redeclare_queue(connection, channel, self._spec)):
                if self._one_by_one:
                    self._work_on_one(batch, subscription)
                elif batch[0].attempts >= DANGEROUS:
                    log.warning("messages have come back %d times or more: taking them one at a time", DANGEROUS)
                    self._one_by_one = True
                    return
                else:
                    for piece in _pieces(batch, self._max_batch):
                        self._policy.process(piece, subscription)

    def _work_on_one(self, batch: Sequence[Delivery], subscription: Subscription) -> None:
        self._one_by_one = batch[0].attempts >= DANGEROUS
        if self._one_by_one:
            self._policy.process(batch, subscription)
        else:
            subscription.cancel_with_next_ack()
            self._policy.process(batch, subscription)
            subscription.start(self._spec.name, self._prefetch)

    def _take(self, subscription: Subscription, declare: Callable[[], None]) -> Iterator[list[Delivery]]:
        due = time.monotonic() + DECLARE_EVERY
        while True:
            batch = subscription.take(self._max_batch, timeout=max(0.0, due - time.monotonic()))
            if time.monotonic() >= due:
                # RabbitMQ does not tell when a binding is deleted: without this we would sit there deaf.
                declare()
                due = time.monotonic() + DECLARE_EVERY
            if batch:
                yield batch


def _pieces(batch: Sequence[Delivery], max_batch: int) -> Iterator[Sequence[Delivery]]:
    """A batch in pieces of messages that have come back equally often: a quarter as many each time, down to one."""
    for attempts, together in groupby(batch, key=_attempts):
        deliveries = list(together)
        size = max(1, max_batch >> 2 * max(0, attempts - SUSPICIOUS + 1))
        for start in range(0, len(deliveries), size):
            yield deliveries[start : start + size]


def _attempts(delivery: Delivery) -> int:
    """How often it came back, as far as that matters: a few times happens to anybody."""
    return delivery.attempts if delivery.attempts >= SUSPICIOUS else 0
