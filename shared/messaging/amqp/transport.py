"""amqpstorm's socket, with errors that are reported at once and sends that time out."""

import contextlib
import socket
from collections.abc import Callable
from typing import Any

from amqpstorm.exception import AMQPConnectionError
from amqpstorm.io import IO


class ConnectionErrors(list[Exception]):
    """amqpstorm's list of a connection's errors. Each listener is called with every new error, in any thread."""

    def __init__(self) -> None:
        super().__init__()
        self.listeners: list[Callable[[Exception], None]] = []

    def append(self, error: Exception) -> None:
        super().append(error)
        for listener in self.listeners:
            listener(error)


class TimedIO(IO):
    """amqpstorm's socket. A send fails after the connection's timeout; amqpstorm would try again forever."""

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
                # A part of a frame may be sent already, so this connection can no longer be used.
                self._exceptions.append(AMQPConnectionError(f"could not send: {error}"))
                self.shut_down()

    def shut_down(self) -> None:
        """Shut the socket down at once. This wakes every thread that reads from it or writes to it."""
        if self.socket is not None:
            with contextlib.suppress(OSError):
                self.socket.shutdown(socket.SHUT_RDWR)

    def _find_address_and_connect(self, addresses: list[Any]) -> socket.socket:
        """Connect to the first address that answers. Raises AMQPConnectionError with the last reason."""
        reason: OSError = OSError("the name has no address")
        for family, _, _, _, address in addresses:
            sock = self._create_socket(family)
            try:
                sock.connect(address)
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            except OSError as error:
                reason = error
                # amqpstorm leaves this socket open.
                sock.close()
            else:
                return sock
        raise AMQPConnectionError(reason.strerror or str(reason)) from reason
