"""A queue of one channel's messages, assembled from their frames, for a thread that waits for messages.

In amqpstorm, a waiting thread sleeps 10 ms at a time. Here, a frame wakes the thread at once.
"""

import queue
from typing import Any

from amqpstorm.channel import Channel
from pamqp import commands

from shared.errors import BrokerError
from shared.messaging.amqp.assembly import LargeMessage, MakeMessage, message_assembler
from shared.messaging.amqp.connection import ACCESS_REFUSED, Connection
from shared.messaging.amqp.held_bytes import MAX_BATCH, HeldBytes


class ChannelClosed(BrokerError):
    """RabbitMQ closed the channel."""


class ConsumerCancelled(BrokerError):
    """RabbitMQ cancelled the consumer, for example because the queue was deleted."""


class FrameQueue:
    """The messages and publisher confirms of one channel in order of arrival, and then the error that ended it.

    amqpstorm's reader thread puts items in; one other thread takes items out. `make_message` returns the item for a
    message's method, header and body. All other frames go to amqpstorm.

    The bytes of a body over `max_body` bytes are dropped as they arrive. If the queue is `bounded`, the reader thread
    waits while the messages in the queue and those taken last are too large together, so that RabbitMQ stops sending.
    """

    def __init__(
        self,
        connection: Connection,
        channel: Channel,
        make_message: MakeMessage,
        *,
        max_body: int,
        bounded: bool,
    ) -> None:
        self._connection = connection
        self._items: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._error: Exception | None = None
        self._held = HeldBytes()
        self._taken_bytes = 0
        self._may_pause = bounded
        self._amqpstorm_on_frame = channel.on_frame
        on_frame = message_assembler(make_message, max_body, self._put, self._on_other_frame)
        channel.on_frame = on_frame  # type: ignore[method-assign, assignment]
        connection.errors.listeners.append(self._on_connection_error)
        if connection.errors:
            self._on_connection_error(connection.errors[0])

    def take(self, limit: int, timeout: float | None) -> list[Any]:
        """Wait for an item, and return the items that have arrived, at most `limit` items and about MAX_BATCH bytes.

        The bytes of the items that the call before returned no longer count. Returns an empty list after `timeout`
        seconds without an item. Raises the error that was put in, after the items before the error are taken:
        ChannelClosed, PermissionMissing, ConsumerCancelled, another BrokerError if the connection is lost.
        """
        taken: list[Any] = []
        self._held.release(self._taken_bytes)
        self._taken_bytes = 0
        if self._error is not None:
            raise self._error
        try:
            item = self._items.get(timeout=timeout)
            while not isinstance(item, Exception):
                if item.__class__ is LargeMessage:
                    self._taken_bytes += item.weight
                    item = item.message
                taken.append(item)
                if len(taken) == limit or self._taken_bytes > MAX_BATCH:
                    return taken
                item = self._items.get_nowait()
        except queue.Empty:
            return taken
        self._error = item
        if taken:
            return taken
        raise item

    def put_error(self, error: Exception) -> None:
        """Make `take` raise this error after the items that have already arrived. Safe in a signal handler."""
        self._items.put(error)

    def detach(self) -> None:
        """Stop listening to the errors of the connection, which stays open."""
        self._connection.errors.listeners.remove(self._on_connection_error)
        self._may_pause = False

    def _put(self, item: Any) -> None:
        if item.__class__ is not LargeMessage:
            self._items.put(item)
            return
        self._held.add(item.weight)
        self._items.put(item)
        self._held.wait_for_room(lambda: self._may_pause and self._connection.may_pause_reading())

    def _on_connection_error(self, error: Exception) -> None:
        self._items.put(self._connection.lost(error))

    def _on_other_frame(self, frame: Any) -> None:
        self._amqpstorm_on_frame(frame)
        if frame.name == "Basic.Cancel":
            self._items.put(ConsumerCancelled("RabbitMQ cancelled the consumer (was its queue deleted?)"))
        elif frame.name == "Channel.Close":
            self._items.put(self._channel_error(frame))

    def _channel_error(self, frame: commands.Channel.Close) -> BrokerError:
        if frame.reply_code == ACCESS_REFUSED:
            return self._connection.refused(frame.reply_text)
        return ChannelClosed(f"RabbitMQ closed the channel: {frame.reply_text}")
