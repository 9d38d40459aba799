"""The loop that runs a consumer until a stop is requested, and connects again after every loss of the broker."""

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby

from shared.backoff import Backoff
from shared.errors import BrokerError, BrokerRefused, BrokerUnavailable, PermissionMissing, PublishError
from shared.messaging.address import BrokerAddress
from shared.messaging.amqp.connection import Connection, connect
from shared.messaging.amqp.declarations import declare_queue
from shared.messaging.amqp.frames import ChannelClosed, ConsumerCancelled
from shared.messaging.amqp.queues import count_messages
from shared.messaging.amqp.subscription import StopRequested, Subscription
from shared.messaging.consumer import Consumer
from shared.messaging.delivery import DeliveryPolicy
from shared.messaging.messages import Delivery
from shared.messaging.publisher import Publisher
from shared.messaging.topology import QueueSpec
from shared.settings import Settings
from shared.signals import Stop

log = logging.getLogger(__name__)

# The prefetch, in batches. With two, RabbitMQ sends the next batch while the consumer handles the first.
PREFETCH_BATCHES = 2
# A crash of the consumer counts as a failed attempt of every message that was delivered, not only of the message that
# caused the crash. Messages with this many attempts are handled in parts that begin small, so that the healthy messages
# before the cause are acknowledged, and grow, so that a consumer that is killed often gets ahead of its kills.
ATTEMPTS_BEFORE_SPLITTING = 3
# Messages with this many attempts are taken one at a time, so that a crash counts only against its cause. After each
# success twice as many are taken, because a consumer that is killed often must get ahead of its kills. This does not
# happen sooner, because to give all messages back counts as an attempt too, and because a message that goes back to the
# queue a second time goes behind the others. Not later, because each crash of the cause costs the others one attempt:
# they have 17 when the cause has DELIVERY_LIMIT.
ATTEMPTS_BEFORE_ISOLATION = 14
# Seconds.
DEAD_LETTER_TIMEOUT = 5.0
REDECLARE_INTERVAL = 2.0
REFUSED_TIMEOUT = 60.0


def run_consumer(
    consumer: Consumer, settings: Settings, stop: Stop, *, queue: str | None = None, patterns: Sequence[str] = ()
) -> None:
    """Consume until `stop` is requested. `queue` and `patterns` replace those of the consumer.

    Raises SettingsError for a name or pattern that AMQP does not allow, BrokerError if the first connection fails,
    TopologyConflict, and an error of the handler that is neither transient nor about one event.
    """
    spec = consumer.queue_spec(queue, patterns)
    address, permissions = settings.amqp_url, consumer.permissions(spec)
    try:
        connection = connect(address, consumer.name, permissions)
    except BrokerError:
        if stop.requested:
            return
        raise
    dead_letters = Publisher(
        address,
        f"{consumer.name} dead letters",
        permissions=permissions,
        timeout=DEAD_LETTER_TIMEOUT,
        stop=stop,
    )
    try:
        with consumer.open(settings) as handler, dead_letters as publisher:
            policy = DeliveryPolicy(consumer, spec.name, handler, publisher, stop)
            _Runner(address, consumer, spec, policy, stop).run(connection)
    except BaseException:
        connection.abort()
        raise


class _Runner:
    """The consume loop of one consumer, over one connection after another."""

    def __init__(
        self, address: BrokerAddress, consumer: Consumer, spec: QueueSpec, policy: DeliveryPolicy, stop: Stop
    ) -> None:
        self._address = address
        self._name = consumer.name
        self._permissions = consumer.permissions(spec)
        self._max_batch = consumer.max_batch
        self._spec = spec
        self._policy = policy
        self._stop = stop
        self._whole_prefetch = PREFETCH_BATCHES * consumer.max_batch
        self._prefetch = self._whole_prefetch  # smaller while messages are isolated
        self._backoff = Backoff()

    def run(self, connection: Connection) -> None:
        try:
            while True:
                connection = self._consume(connection)
        except StopRequested:
            log.info("stopped")

    def _consume(self, connection: Connection) -> Connection:
        """Consume until the connection or the subscription ends, and return the next connection.

        Raises StopRequested.
        """
        try:
            self._subscribe_and_process(connection)
            # Closing the connection, unlike a channel, gives messages back in their order.
            connection.close_gracefully()
        except StopRequested:
            connection.close_gracefully()
            raise
        except PermissionMissing:
            # Connecting again would not grant the permission.
            connection.abort()
            raise
        except (BrokerUnavailable, ChannelClosed, ConsumerCancelled, PublishError) as error:
            connection.abort()
            log.warning("%s; connecting again", error)
        except BaseException:
            connection.abort()
            raise
        else:
            # A consumer that is killed often has no time to wait.
            return self._reconnect(delay=0.0)
        return self._reconnect(self._backoff.next_delay())

    def _reconnect(self, delay: float) -> Connection:
        """Return a new connection. Raises StopRequested, and BrokerRefused after REFUSED_TIMEOUT of refusals."""
        refused_since: float | None = None
        while not self._stop.wait(delay):
            delay = self._backoff.next_delay()
            try:
                return connect(self._address, self._name, self._permissions)
            except BrokerRefused as error:
                # While RabbitMQ starts, it may not know its users yet.
                refused_since = refused_since or time.monotonic()
                if time.monotonic() - refused_since > REFUSED_TIMEOUT:
                    raise
                log.warning("%s; trying again", error)
            except BrokerError as error:
                refused_since = None
                log.warning("%s; trying again", error)
        raise StopRequested

    def _subscribe_and_process(self, connection: Connection) -> None:
        """Declare the queue and consume. Returns if messages must be taken one at a time, over a new connection."""
        channel, declarations = declare_queue(connection, self._spec)
        subscription = Subscription(connection, channel)
        with self._stop.calling(subscription.wake):
            subscription.start(self._spec.name, self._prefetch)
            log.info("consuming %s (%s) at %s", self._spec.name, " ".join(self._spec.patterns), self._address)
            self._backoff.reset()
            batches = self._receive_batches(
                subscription,
                declare=lambda: connection.write(declarations),
                count_waiting=lambda: count_messages(connection, self._spec.name) or 0,
            )
            for batch in batches:
                if self._prefetch < self._whole_prefetch:
                    self._process_isolated(batch, subscription)
                elif batch[0].attempts >= ATTEMPTS_BEFORE_ISOLATION:
                    log.warning(
                        "messages were delivered %d times or more without success; taking them one at a time",
                        ATTEMPTS_BEFORE_ISOLATION,
                    )
                    self._prefetch = 1
                    return
                else:
                    for part in _split_by_attempts(batch, self._max_batch):
                        self._policy.process(part, subscription)

    def _process_isolated(self, batch: Sequence[Delivery], subscription: Subscription) -> None:
        if batch[0].attempts < ATTEMPTS_BEFORE_ISOLATION:
            self._prefetch = self._whole_prefetch
        else:
            self._prefetch = min(2 * self._prefetch, self._max_batch)
        subscription.cancel_with_next_ack()
        self._policy.process(batch, subscription)
        subscription.start(self._spec.name, self._prefetch)

    def _receive_batches(
        self, subscription: Subscription, *, declare: Callable[[], None], count_waiting: Callable[[], int]
    ) -> Iterator[list[Delivery]]:
        due = time.monotonic() + REDECLARE_INTERVAL
        while True:
            batch = subscription.take(self._max_batch, timeout=max(0.0, due - time.monotonic()))
            is_due = time.monotonic() >= due
            if is_due:
                # RabbitMQ does not tell a consumer that its binding was deleted.
                declare()
                self._policy.check()
                due = time.monotonic() + REDECLARE_INTERVAL
            if batch:
                yield batch
            if is_due and len(batch) < self._max_batch:
                self._policy.idle(count_waiting)


def _split_by_attempts(batch: Sequence[Delivery], max_batch: int) -> Iterator[Sequence[Delivery]]:
    """Yield the batch in parts of equal attempts.

    From ATTEMPTS_BEFORE_SPLITTING on, each attempt halves the first part. Each part is followed by one of twice its
    size.
    """
    for attempts, group in groupby(batch, key=_attempts_if_many):
        deliveries = list(group)
        size = max(1, max_batch >> max(0, attempts - ATTEMPTS_BEFORE_SPLITTING + 1))
        start = 0
        while start < len(deliveries):
            yield deliveries[start : start + size]
            start, size = start + size, 2 * size


def _attempts_if_many(delivery: Delivery) -> int:
    """Return the number of attempts, or 0 below ATTEMPTS_BEFORE_SPLITTING."""
    return delivery.attempts if delivery.attempts >= ATTEMPTS_BEFORE_SPLITTING else 0
