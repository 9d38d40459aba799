"""Waiting for the frames of a channel without amqpstorm's naps of 10 ms."""

import queue
from typing import Any

from amqpstorm.channel import Channel

from shared.messaging.amqp.connection import Connection


class Frames:
    """The frames of one channel that somebody waits for, in order.

    The reader thread puts them in; `get` gives one out as soon as it is there, and raises BrokerUnavailable as soon as
    the connection is lost.
    """

    def __init__(self, connection: Connection, channel: Channel, names: frozenset[str]) -> None:
        self._connection = connection
        self._names = names
        self._queue: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._pass_on = channel.on_frame
        channel.on_frame = self._on_frame  # type: ignore[method-assign, assignment]
        connection.failures.listeners.append(self._queue.put)
        if connection.failures:
            self._queue.put(connection.failures[0])

    def get(self, timeout: float | None) -> Any:
        """The next frame; raises queue.Empty after `timeout` seconds, and BrokerError for a lost connection."""
        item = self._queue.get(timeout=timeout) if timeout != 0 else self._queue.get_nowait()
        if isinstance(item, Exception):
            self._queue.put(item)
            raise self._connection.lost(item)
        return item

    def _on_frame(self, frame: Any) -> None:
        if frame.name in self._names:
            self._queue.put(frame)
        else:
            self._pass_on(frame)
            if frame.name == "Channel.Close":
                self._queue.put(frame)
