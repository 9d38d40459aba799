"""amqpstorm's socket with what it lacks: errors that are heard at once, and sends that give up."""

import contextlib
import socket
from collections.abc import Callable
from typing import Any

from amqpstorm.exception import AMQPConnectionError
from amqpstorm.io import IO


class Failures(list[Exception]):
    """amqpstorm's list of what went wrong, telling whoever listens as soon as something does."""

    def __init__(self) -> None:
        super().__init__()
        self.listeners: list[Callable[[Exception], None]] = []

    def append(self, error: Exception) -> None:
        super().append(error)
        for listener in self.listeners:
            listener(error)


class BoundedIO(IO):
    """The socket, whose sends give up after the time-out instead of trying for ever."""

    @property
    def is_sending(self) -> bool:
        return self._wr_lock.locked()

    def write_to_socket(self, frame_data: bytes) -> None:
        with self._wr_lock:
            try:
                if self.socket is None:
                    raise OSError("not connected")
                self.socket.sendall(frame_data)
            except OSError as error:
                # Part of a frame may be out: nothing more can be said on this connection.
                self._exceptions.append(AMQPConnectionError(f"could not send: {error}"))
                self.cut()

    def cut(self) -> None:
        """End the connection without a word; wakes every thread that reads from it or writes to it."""
        if self.socket is not None:
            with contextlib.suppress(OSError):
                self.socket.shutdown(socket.SHUT_RDWR)

    def _find_address_and_connect(self, addresses: list[Any]) -> socket.socket:
        reason: OSError = OSError("the name has no address")
        for family, _, _, _, address in addresses:
            sock = self._create_socket(family)
            try:
                sock.connect(address)
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            except OSError as error:
                reason = error
                sock.close()
            else:
                return sock
        raise AMQPConnectionError(reason.strerror or str(reason)) from reason
