"""amqpstorm's socket, with errors that are reported at once and sends that time out."""

import contextlib
import socket
import ssl
from collections.abc import Callable
from typing import Any

from amqpstorm.exception import AMQPConnectionError
from amqpstorm.io import IO

from shared.tls_errors import find_tls_error

# Seconds.
_ALERT_TIMEOUT = 0.5


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

    _has_received = False

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
                self._exceptions.append(self._read_tls_error() or AMQPConnectionError(f"could not send: {error}"))
                self.shut_down()

    def _read_from_socket(self) -> bytes:
        data = super()._read_from_socket()
        self._has_received = True
        return data

    def _read_tls_error(self) -> AMQPConnectionError | None:
        """Return the TLS alert that is the server's only answer and was not read before a send failed, if there is one.

        In TLS 1.3 a server rejects the client's certificate after the handshake.
        """
        if self._has_received or not isinstance(self.socket, ssl.SSLSocket):
            return None
        if not self._rd_lock.acquire(timeout=_ALERT_TIMEOUT):
            return None
        try:
            self.socket.settimeout(_ALERT_TIMEOUT)
            self.socket.recv(1)
        except (OSError, ValueError) as error:
            return AMQPConnectionError(error) if find_tls_error(error) else None
        finally:
            self._rd_lock.release()
        return None

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
