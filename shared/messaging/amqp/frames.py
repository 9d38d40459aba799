"""A queue of one channel's messages, assembled from their frames, for a thread that waits for messages.

In amqpstorm, a waiting thread sleeps 10 ms at a time. Here, a frame wakes the thread at once.
"""

import queue
from collections.abc import Callable
from typing import Any

from amqpstorm.channel import Channel
from pamqp import commands

from shared.errors import BrokerError
from shared.messaging.amqp.codec import Ack, Body, Deliver, Header
from shared.messaging.amqp.connection import Connection

# Arguments: the method that announces a message, the content header, and the body.
MakeMessage = Callable[[Any, Header, bytes], Any]


class ChannelClosed(BrokerError):
    """RabbitMQ closed the channel."""


class ConsumerCancelled(BrokerError):
    """RabbitMQ cancelled the consumer, for example because the queue was deleted."""


class FrameQueue:
    """The messages and publisher confirms of one channel in order of arrival, and then the error that ended it.

    amqpstorm's reader thread puts items in; one other thread takes items out. `make_message` returns the item for a
    message's method, header and body. All other frames go to amqpstorm.
    """

    def __init__(self, connection: Connection, channel: Channel, make_message: MakeMessage) -> None:
        self._connection = connection
        self._items: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._error: Exception | None = None
        self._amqpstorm_on_frame = channel.on_frame
        on_frame = _message_assembler(make_message, self._items.put, self._on_other_frame)
        channel.on_frame = on_frame  # type: ignore[method-assign, assignment]
        connection.errors.listeners.append(self._on_connection_error)
        if connection.errors:
            self._on_connection_error(connection.errors[0])

    def take(self, limit: int, timeout: float | None) -> list[Any]:
        """Wait for an item, and return all items that have arrived, at most `limit`.

        Returns an empty list after `timeout` seconds without an item. Raises the error that was put in, after the items
        before the error are taken: ChannelClosed, ConsumerCancelled, another BrokerError if the connection is lost.
        """
        taken: list[Any] = []
        if self._error is not None:
            raise self._error
        try:
            item = self._items.get(timeout=timeout)
            while not isinstance(item, Exception):
                taken.append(item)
                if len(taken) == limit:
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

    def _on_connection_error(self, error: Exception) -> None:
        self._items.put(self._connection.lost(error))

    def _on_other_frame(self, frame: Any) -> None:
        self._amqpstorm_on_frame(frame)
        if frame.name == "Basic.Cancel":
            self._items.put(ConsumerCancelled("RabbitMQ cancelled the consumer (was its queue deleted?)"))
        elif frame.name == "Channel.Close":
            self._items.put(ChannelClosed(f"RabbitMQ closed the channel: {frame.reply_text}"))


def _message_assembler(
    make_message: MakeMessage, put: Callable[[Any], None], put_other: Callable[[Any], None]
) -> Callable[[Any], None]:
    """Return a frame handler that passes whole messages and confirms to `put`, and other frames to `put_other`.

    A closure rather than a class, because it runs for every frame and local variables are faster than attributes.
    """
    method: Any
    header: Header
    parts: list[bytes] = []
    missing = 0  # bytes of the body

    def on_frame(frame: Any) -> None:
        nonlocal method, header, missing
        kind = frame.__class__
        if kind is Body:
            parts.append(frame.value)
            missing -= len(frame.value)
        elif kind is Header:
            header = frame
            missing = frame.body_size
        elif kind is Deliver or kind is commands.Basic.Return:
            method = frame
            return
        elif kind is Ack or kind is commands.Basic.Nack:
            put(frame)
            return
        else:
            put_other(frame)
            return
        if not missing:
            put(make_message(method, header, b"".join(parts)))
            parts.clear()

    return on_frame
