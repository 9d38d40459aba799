"""A subscription to a queue, which returns deliveries in batches as soon as they arrive."""

from collections.abc import Sequence
from typing import cast

from amqpstorm.channel import Channel

from shared.events import MAX_BODY
from shared.messaging.amqp.codec import Deliver, Header, encode_acks
from shared.messaging.amqp.connection import Connection, translate_errors
from shared.messaging.amqp.frames import FrameQueue
from shared.messaging.messages import Delivery, DroppedBody


class StopRequested(Exception):
    """Raised to end a consumer after a stop request."""


class Subscription:
    """One consumer on one channel. One thread uses it; `wake` may be called from any thread or signal handler."""

    def __init__(self, connection: Connection, channel: Channel) -> None:
        self._connection = connection
        self._channel = channel
        self._frames = FrameQueue(connection, channel, make_delivery, max_body=MAX_BODY, bounded=True)
        self._consumer_tag = ""
        self._cancel_with_next_ack = False

    def start(self, queue_name: str, prefetch: int) -> None:
        """Start consuming, with at most `prefetch` messages unacknowledged. Raises BrokerError."""
        self._connection.queue = queue_name
        with translate_errors(self._connection):
            self._channel.basic.qos(prefetch_count=prefetch)
            self._consumer_tag = self._channel.basic.consume(queue=queue_name)
        self._cancel_with_next_ack = False

    def take(self, limit: int, timeout: float | None = None) -> list[Delivery]:
        """Wait for a delivery, and return the deliveries that have arrived, at most `limit` and a few megabytes.

        Returns an empty list after `timeout` seconds without a delivery. Raises the error that ended the subscription:
        StopRequested, ChannelClosed, ConsumerCancelled or BrokerUnavailable.
        """
        return cast(list[Delivery], self._frames.take(limit, timeout))

    def wake(self) -> None:
        """Make `take` raise StopRequested after the deliveries that have already arrived."""
        self._frames.put_error(StopRequested())

    def cancel_with_next_ack(self) -> None:
        """Cancel the consumer together with the next acknowledgement, so that `start` can set another prefetch."""
        self._cancel_with_next_ack = True

    def acknowledge(self, delivery: Delivery, *, and_all_before: bool = False) -> None:
        """Acknowledge a delivery. Raises BrokerError, after which RabbitMQ delivers the message again."""
        with translate_errors(self._connection):
            self._cancel_before_ack()
            self._channel.basic.ack(delivery.tag, multiple=and_all_before)

    def acknowledge_each(self, deliveries: Sequence[Delivery]) -> None:
        """Acknowledge these deliveries, and none between them. Raises BrokerError as `acknowledge` does."""
        with translate_errors(self._connection):
            self._cancel_before_ack()
            self._channel.check_for_errors()
            self._connection.write(encode_acks(int(self._channel), (delivery.tag for delivery in deliveries)))

    def end(self) -> None:
        """Close the channel, so that unacknowledged messages go back to the queue. Raises BrokerError.

        A quorum queue may then deliver these messages in another order. Messages that go back because the connection
        was closed or lost keep their order.
        """
        self._frames.detach()
        with translate_errors(self._connection):
            self._channel.close()

    def _cancel_before_ack(self) -> None:
        """Cancel the consumer if that is due. RabbitMQ answers an acknowledgement with another delivery."""
        if self._cancel_with_next_ack:
            self._channel.basic.cancel(self._consumer_tag)
            self._cancel_with_next_ack = False


def make_delivery(method: Deliver, header: Header, body: bytes, dropped: DroppedBody | None = None) -> Delivery:
    """Return a delivery whose frames were taken one by one."""
    return Delivery(
        method.delivery_tag, method.exchange, method.routing_key, body, header.properties, method.redelivered, dropped
    )
