"""amqpstorm's socket with what it lacks: errors that are heard at once, sends that give up, frames told apart."""

import contextlib
import socket
import struct
from collections.abc import Callable, Iterator
from typing import Any

from amqpstorm.exception import AMQPConnectionError
from amqpstorm.io import IO
from pamqp import exceptions as pamqp_exceptions
from pamqp import frame as pamqp_frame
from pamqp.header import ContentHeader

_FRAME_HEADER = struct.Struct(">BHI")
_FRAME_END = 1
_CONTENT_HEADER = struct.Struct(">HHQ")
_HEADER_FRAME = 2


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


def split_frames(data: bytes) -> Iterator[tuple[int, int, Any]]:
    """Every whole frame in `data`, as (where it ends, channel, frame). Raises ValueError for what is no AMQP.

    amqpstorm's own takes a frame that cannot be decoded for one that is incomplete, and waits for ever.
    """
    start = 0
    while len(data) - start > _FRAME_HEADER.size:
        kind, _, length = _FRAME_HEADER.unpack_from(data, start)
        end = start + _FRAME_HEADER.size + length + _FRAME_END
        if end > len(data):
            return
        channel_id, frame = _unmarshal(kind, data[start:end])
        yield end, channel_id, frame
        start = end


def _unmarshal(kind: int, data: bytes) -> tuple[int, Any]:
    """One frame, as (channel, frame); raises ValueError, which ends the connection, for what is no AMQP.

    A content header whose properties cannot be decoded still says how long its body is, and that is all a consumer
    needs to set the message aside.
    """
    try:
        _, channel_id, frame = pamqp_frame.unmarshal(data)
    except (pamqp_exceptions.PAMQPException, ValueError, struct.error, LookupError, RecursionError) as error:
        if kind != _HEADER_FRAME:
            raise ValueError(f"undecodable frame: {error}") from error
        _, channel_id, _ = _FRAME_HEADER.unpack_from(data)
        _, _, body_size = _CONTENT_HEADER.unpack_from(data, _FRAME_HEADER.size)
        return channel_id, ContentHeader(body_size=body_size)
    return channel_id, frame
