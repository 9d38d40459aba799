"""The policy per delivery: acknowledge it when handled, dead-letter it if invalid, retry after a transient error."""

import logging
from collections.abc import Sequence
from typing import Any

from shared.backoff import Backoff
from shared.errors import BrokerUnavailable, InvalidEvent, PublishError, StockwireError, StorageUnavailable
from shared.messaging.amqp.subscription import StopRequested, Subscription
from shared.messaging.consumer import Consumer, Handler
from shared.messaging.dead_letters import dead_letter
from shared.messaging.messages import Delivery
from shared.messaging.publisher import Publisher
from shared.signals import Stop
from shared.times import utc_now

log = logging.getLogger(__name__)

MAX_ATTEMPTS = 5  # calls of the handler with one event

Decoded = tuple[Delivery, Any]


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
        for delivery in batch:
            if delivery.dropped_body is not None:
                self._dead_letter(delivery, f"body of {delivery.dropped_body.size} bytes is over 64 KiB", subscription)
                continue
            try:
                decoded.append((delivery, self._decode(delivery, now)))
            except InvalidEvent as error:
                self._dead_letter(delivery, str(error), subscription)
            except Exception as error:
                log.debug("the decoder failed", exc_info=True)
                self._dead_letter(delivery, f"cannot be decoded: {type(error).__name__}: {error}", subscription)
        if decoded:
            self._handle(decoded, subscription)

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
            except (StorageUnavailable, BrokerUnavailable, PublishError) as error:
                log.warning("%s; trying again (%d events unacknowledged)", error, len(events))
                self._pause(backoff)

    def _reject(self, batch: Sequence[Decoded], reason: str, subscription: Subscription) -> None:
        """Dead-letter a single event. Handle the events of a larger batch one by one, to find the event that fails."""
        if len(batch) > 1:
            for each in batch:
                self._handle([each], subscription)
        else:
            self._dead_letter(batch[0][0], reason, subscription)

    def _dead_letter(self, delivery: Delivery, reason: str, subscription: Subscription) -> None:
        outcome = "dead-lettered" if self._has_dead_letters else "skipped"
        log.warning("%s %s of %s: %s", outcome, delivery.id, delivery.routing_key, reason)
        if self._has_dead_letters:
            self._publisher.publish([dead_letter(delivery, self._queue, reason, utc_now())])
        subscription.acknowledge(delivery)

    def _pause(self, backoff: Backoff) -> None:
        if self._stop.wait(backoff.next_delay()):
            raise StopRequested
