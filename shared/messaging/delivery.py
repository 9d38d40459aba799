"""What becomes of each delivery: done, acknowledged; invalid, dead-lettered with why; a passing fault, tried again."""

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

MAX_ATTEMPTS = 5

Decoded = tuple[Delivery, Any]


class DeliveryPolicy:
    def __init__(self, consumer: Consumer, queue: str, handler: Handler, publisher: Publisher, stop: Stop) -> None:
        self._decode = consumer.decode
        self._dead_letters = not consumer.transient
        self._queue = queue
        self._handler = handler
        self._publisher = publisher
        self._stop = stop

    def process(self, batch: Sequence[Delivery], subscription: Subscription) -> None:
        """Deal with every delivery of a batch, and acknowledge each when that is done for good.

        Raises StopRequested in the middle of waiting for a passing fault, BrokerError where the connection is lost,
        and any StockwireError of the handler that is neither.
        """
        now = utc_now()
        good: list[Decoded] = []
        for delivery in batch:
            try:
                good.append((delivery, self._decode(delivery, now)))
            except InvalidEvent as error:
                self._set_aside(delivery, str(error), subscription)
            except Exception as error:
                log.debug("the decoder failed", exc_info=True)
                self._set_aside(delivery, f"cannot be decoded: {type(error).__name__}: {error}", subscription)
        if good:
            self._handle(good, subscription)

    def _handle(self, good: Sequence[Decoded], subscription: Subscription) -> None:
        events = [event for _, event in good]
        backoff = Backoff(cap=30)
        for attempt in range(1, MAX_ATTEMPTS + 1):
            try:
                self._when_able(events)
            except (StockwireError, StopRequested, BrokenPipeError) as error:
                if not isinstance(error, InvalidEvent):
                    raise
                return self._blame(good, str(error), subscription)
            except Exception as error:
                log.debug("the handler failed", exc_info=True)
                reason = " ".join(f"{type(error).__name__}: {error}".split())
                if len(good) > 1 or attempt == MAX_ATTEMPTS:
                    return self._blame(good, f"the handler failed: {reason}", subscription)
                failed = good[0][0]
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
                # Deliveries before the last one are handled, or were set aside and acknowledged on their own.
                return subscription.acknowledge(good[-1][0], and_all_before=True)
        return None

    def _when_able(self, events: Sequence[Any]) -> None:
        """Call the handler, again and again for as long as what it needs is away."""
        backoff = Backoff(cap=30)
        while True:
            try:
                return self._handler(events)
            except (StorageUnavailable, BrokerUnavailable, PublishError) as error:
                log.warning("%s; %d events wait unacknowledged, trying again", error, len(events))
                self._pause(backoff)

    def _blame(self, good: Sequence[Decoded], reason: str, subscription: Subscription) -> None:
        """Find who is to blame: one event alone is, several are tried one by one."""
        if len(good) > 1:
            for each in good:
                self._handle([each], subscription)
        else:
            self._set_aside(good[0][0], reason, subscription)

    def _set_aside(self, delivery: Delivery, reason: str, subscription: Subscription) -> None:
        done = "dead-lettered" if self._dead_letters else "passed over"
        log.warning("%s %s of %s: %s", done, delivery.id, delivery.routing_key, reason)
        if self._dead_letters:
            self._publisher.publish([dead_letter(delivery, self._queue, reason, utc_now())])
        subscription.acknowledge(delivery)

    def _pause(self, backoff: Backoff) -> None:
        if self._stop.wait(backoff.next_delay()):
            raise StopRequested
