"""The policy per delivery: acknowledge it when handled, dead-letter it if invalid, retry after a transient error."""

import logging
from collections.abc import Callable, Sequence
from typing import Any

from shared.backoff import Backoff
from shared.errors import (
    BrokerUnavailable,
    InvalidEvent,
    PermissionMissing,
    PublishError,
    StockwireError,
    StorageUnavailable,
)
from shared.messaging.amqp.subscription import StopRequested, Subscription
from shared.messaging.consumer import Consumer, Handler
from shared.messaging.dead_letters import dead_letter
from shared.messaging.messages import Delivery
from shared.messaging.publisher import Publisher
from shared.signals import Stop
from shared.times import utc_now

log = logging.getLogger(__name__)

MAX_ATTEMPTS = 5  # calls of the handler with one event
# Deliveries. If RabbitMQ does not confirm one of several dead letters, all of them are dead-lettered again.
MAX_REJECTED = 500
MAX_LOGGED = 20

Decoded = tuple[Delivery, Any]
Rejected = tuple[Delivery, str]


class DeliveryPolicy:
    """Handles batches of deliveries for one consumer."""

    def __init__(self, consumer: Consumer, queue: str, handler: Handler, publisher: Publisher, stop: Stop) -> None:
        self._decode = consumer.decode
        self._has_dead_letters = not consumer.transient
        self._queue = queue
        self._handler = handler
        self._publisher = publisher
        self._stop = stop

    def process(self, batch: Sequence[Delivery], subscription: Subscription) -> None:
        """Handle or dead-letter every delivery of a batch, and acknowledge each.

        Raises StopRequested if a stop is requested between two attempts, BrokerError if the connection is lost, and the
        handler's StockwireError if that error is not transient.
        """
        now = utc_now()
        decoded: list[Decoded] = []
        rejected: list[Rejected] = []
        for delivery in batch:
            try:
                if delivery.dropped_body is not None:
                    raise InvalidEvent(f"body of {delivery.dropped_body.size} bytes is over 64 KiB")
                decoded.append((delivery, self._decode(delivery, now)))
            except InvalidEvent as error:
                rejected.append((delivery, str(error)))
            except Exception as error:
                log.debug("the decoder failed", exc_info=True)
                rejected.append((delivery, f"cannot be decoded: {type(error).__name__}: {error}"))
        for start in range(0, len(rejected), MAX_REJECTED):
            self._dead_letter(rejected[start : start + MAX_REJECTED], subscription)
        if decoded:
            self._handle(decoded, subscription)

    def check(self) -> None:
        """Let the handler check what it depends on, if it can. Raises the handler's StockwireError if not transient."""
        self._call_method("check")

    def idle(self, count_waiting: Callable[[], int]) -> None:
        """Let the handler work while no event has arrived, if it can. Raises the same errors as `check`."""
        self._call_method("idle", count_waiting)

    def _call_method(self, name: str, *arguments: Any) -> None:
        method = getattr(self._handler, name, None)
        try:
            if method:
                method(*arguments)
        except PermissionMissing:
            raise
        except (StorageUnavailable, BrokerUnavailable, PublishError) as error:
            log.warning("%s", error)

    def _handle(self, batch: Sequence[Decoded], subscription: Subscription) -> None:
        events = [event for _, event in batch]
        backoff = Backoff(cap=30)
        for attempt in range(1, MAX_ATTEMPTS + 1):
            try:
                self._call_handler(events)
            except (StockwireError, StopRequested, BrokenPipeError) as error:
                if not isinstance(error, InvalidEvent):
                    raise
                return self._reject(batch, str(error), subscription)
            except Exception as error:
                log.debug("the handler failed", exc_info=True)
                reason = " ".join(f"{type(error).__name__}: {error}".split())
                if len(batch) > 1 or attempt == MAX_ATTEMPTS:
                    return self._reject(batch, f"the handler failed: {reason}", subscription)
                failed = batch[0][0]
                log.warning(
                    "the handler failed on %s of %s (%s); try %d of %d",
                    failed.id,
                    failed.routing_key,
                    reason,
                    attempt,
                    MAX_ATTEMPTS,
                )
                self._pause(backoff)
            else:
                # All deliveries before the last one are handled, or already dead-lettered and acknowledged.
                return subscription.acknowledge(batch[-1][0], and_all_before=True)
        return None

    def _call_handler(self, events: Sequence[Any]) -> None:
        """Call the handler, and retry while the database or RabbitMQ is unavailable."""
        backoff = Backoff(cap=30)
        while True:
            try:
                return self._handler(events)
            except PermissionMissing:
                raise
            except (StorageUnavailable, BrokerUnavailable, PublishError) as error:
                log.warning("%s; trying again (%d events unacknowledged)", error, len(events))
                self._pause(backoff)

    def _reject(self, batch: Sequence[Decoded], reason: str, subscription: Subscription) -> None:
        """Dead-letter a single event. Handle the events of a larger batch one by one, to find the event that fails."""
        if len(batch) > 1:
            for each in batch:
                self._handle([each], subscription)
        else:
            self._dead_letter([(batch[0][0], reason)], subscription)

    def _dead_letter(self, rejected: Sequence[Rejected], subscription: Subscription) -> None:
        """Publish dead letters, and acknowledge their deliveries once RabbitMQ has confirmed all of them."""
        if self._has_dead_letters:
            now = utc_now()
            self._publisher.publish(dead_letter(delivery, self._queue, reason, now) for delivery, reason in rejected)
        self._log_rejected(rejected)
        subscription.acknowledge_each([delivery for delivery, _ in rejected])

    def _log_rejected(self, rejected: Sequence[Rejected]) -> None:
        """Log the first rejected deliveries, and the number of the others, which may be thousands."""
        outcome = "dead-lettered" if self._has_dead_letters else "skipped"
        for delivery, reason in rejected[:MAX_LOGGED]:
            log.warning("%s %s of %s: %s", outcome, delivery.id, delivery.routing_key, reason)
        if len(rejected) > MAX_LOGGED:
            log.warning("%s %d more at the same time", outcome, len(rejected) - MAX_LOGGED)

    def _pause(self, backoff: Backoff) -> None:
        if self._stop.wait(backoff.next_delay()):
            raise StopRequested
