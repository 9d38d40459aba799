"""Receiving: deliveries that wake their consumer as they arrive, and come as a batch where more than one is there."""

import queue
from collections.abc import Callable
from typing import Any

from amqpstorm.channel import Channel

from shared.errors import BrokerError
from shared.messaging.amqp.codec import Body, Deliver, Header
from shared.messaging.amqp.connection import Connection, translate_errors
from shared.messaging.messages import Delivery


class SubscriptionEnded(BrokerError):
    """RabbitMQ closed the channel, or cancelled the consumer, as it does when its queue is deleted."""


class StopRequested(Exception):
    pass


class Subscription:
    """One consumer on one channel: `take` is for one thread, `wake` for any, signal handlers included."""

    def __init__(self, connection: Connection, channel: Channel) -> None:
        self._connection = connection
        self._channel = channel
        self._arrived: queue.SimpleQueue[Delivery | Exception] = queue.SimpleQueue()
        self._interruption: Exception | None = None
        self._consumer = ""
        self._last = False
        on_frame = _assemble(self._arrived.put, channel.on_frame)
        channel.on_frame = on_frame  # type: ignore[method-assign, assignment]
        connection.failures.listeners.append(self._arrived.put)

    def start(self, queue_name: str, prefetch: int) -> None:
        """Ask for messages, at most `prefetch` unacknowledged at a time. Raises BrokerError."""
        with translate_errors(self._connection):
            self._channel.basic.qos(prefetch_count=prefetch)
            self._consumer = self._channel.basic.consume(queue=queue_name)
        self._last = False
        if self._connection.failures:
            raise self._connection.lost()

    def take(self, limit: int, timeout: float | None = None) -> list[Delivery]:
        """Wait for a delivery; return it with those that have arrived behind it, at most `limit`.

        None at all after `timeout` seconds.
        Raises what ended the subscription: StopRequested, SubscriptionEnded or BrokerUnavailable.
        """
        batch: list[Delivery] = []
        if self._interruption is not None:
            raise self._interruption
        try:
            item = self._arrived.get(timeout=timeout)
            while not isinstance(item, Exception):
                batch.append(item)
                if len(batch) == limit:
                    return batch
                item = self._arrived.get_nowait()
        except queue.Empty:
            return batch
        self._interruption = self._translate(item)
        if batch:
            return batch
        raise self._interruption

    def wake(self) -> None:
        """Make `take` raise StopRequested after what has arrived before."""
        self._arrived.put(StopRequested())

    def end_with_next(self) -> None:
        """Ask for no more with the next acknowledgement: `start` can begin anew with nothing to give back."""
        self._last = True

    def acknowledge(self, delivery: Delivery, *, and_all_before: bool = False) -> None:
        """Raises BrokerError; what is not acknowledged comes again on another channel."""
        with translate_errors(self._connection):
            if self._last:
                # Before the acknowledgement makes room for another.
                self._channel.basic.cancel(self._consumer)
            self._channel.basic.ack(delivery.tag, multiple=and_all_before)

    def end(self) -> None:
        """Close the channel: what is not acknowledged goes back to the queue. Raises BrokerError.

        A quorum queue may give it out again in any order, which it does not do with what a lost connection gives back.
        """
        self._connection.failures.listeners.remove(self._arrived.put)
        with translate_errors(self._connection):
            self._channel.close()

    def _translate(self, error: Exception) -> Exception:
        return error if isinstance(error, BrokerError | StopRequested) else self._connection.lost(error)


def _assemble(put: Callable[[Delivery | Exception], None], pass_on: Callable[[Any], None]) -> Callable[[Any], None]:
    """A frame handler for amqpstorm's reader thread that puts deliveries together and passes other frames on."""
    deliver: Deliver
    header: Header
    parts: list[bytes] = []
    missing = 0

    def on_frame(frame: Any) -> None:
        nonlocal deliver, header, missing
        kind = frame.__class__
        if kind is Body:
            parts.append(frame.value)
            missing -= len(frame.value)
        elif kind is Header:
            header = frame
            missing = frame.body_size
        elif kind is Deliver:
            deliver = frame
            return
        else:
            pass_on(frame)
            if frame.name == "Basic.Cancel":
                put(SubscriptionEnded("RabbitMQ cancelled the consumer (was its queue deleted?)"))
            elif frame.name == "Channel.Close":
                put(SubscriptionEnded(f"RabbitMQ closed the channel: {frame.reply_text}"))
            return
        if not missing:
            tag, exchange, key = deliver.delivery_tag, deliver.exchange, deliver.routing_key
            put(Delivery(tag, exchange, key, b"".join(parts), header.properties, deliver.redelivered))
            parts.clear()

    return on_frame
