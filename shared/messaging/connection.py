"""A connection whose loss is noticed at once, and which never hangs.

amqpstorm 3.1.4 leaves four gaps that are closed here: socket errors go to a list that `open` has replaced; a full
socket blocks the writer, the heartbeat and `close` without end; frames that cannot be decoded are taken for incomplete
ones; and whoever waits for a frame sleeps in steps of 10 ms.
"""

import contextlib
import queue
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from typing import Any

from amqpstorm import connection as amqpstorm
from amqpstorm.channel import Channel
from amqpstorm.exception import AMQPConnectionError, AMQPError
from amqpstorm.io import IO
from pamqp import exceptions as pamqp_exceptions
from pamqp import frame as pamqp_frame
from pamqp.header import ContentHeader

from shared.errors import BrokerError, BrokerRefused, BrokerUnavailable
from shared.messaging.address import BrokerAddress

CONNECT_TIMEOUT = 10
CLOSE_TIMEOUT = 5
RPC_TIMEOUT = 20

_ACCESS_REFUSED = 403
_NOT_ALLOWED = 530
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


class Connection(amqpstorm.Connection):
    """An open connection to RabbitMQ; made by `connect`."""

    def __init__(self, address: BrokerAddress, name: str) -> None:
        self.address = address
        self.failures = Failures()
        self.close_frame: Any = None
        self.opened = False
        tls = address.tls
        super().__init__(
            address.host,
            address.username,
            address.password,
            address.port,
            virtual_host=address.virtual_host,
            heartbeat=address.heartbeat,
            timeout=CONNECT_TIMEOUT,
            ssl=tls is not None,
            ssl_options={"context": tls.context(), "server_hostname": tls.server_name or address.host} if tls else {},
            client_properties={"connection_name": f"stockwire {name}"},
            poller="poll",
            lazy=True,
        )
        self._io: BoundedIO = BoundedIO(self.parameters, self.failures, self._read_buffer)

    @property
    def _exceptions(self) -> list[Exception]:
        return self.failures

    @_exceptions.setter
    def _exceptions(self, _replacement: list[Exception]) -> None:
        """Keep the one list that the socket, the heartbeat and the channels all report to."""

    def lost(self, error: Exception | None = None) -> BrokerError:
        """Why this connection is no more, for people."""
        frame = self.close_frame
        reason = frame.reply_text if frame else next(iter(self.failures), None) or error or "connection closed"
        if frame and frame.reply_code == _ACCESS_REFUSED:
            return BrokerRefused(
                f"RabbitMQ at {self.address} refused user {self.address.username!r}:"
                " check user and password in STOCKWIRE_AMQP_URL"
            )
        if frame and frame.reply_code == _NOT_ALLOWED:
            return BrokerRefused(
                f"RabbitMQ at {self.address} refused user {self.address.username!r} its virtual host:"
                f" check the path of STOCKWIRE_AMQP_URL and the user's permissions ({reason})"
            )
        if self.opened:
            return BrokerUnavailable(f"connection to RabbitMQ at {self.address} lost: {reason}")
        return BrokerUnavailable(
            f"no RabbitMQ answers at {self.address} ({reason}): start one (./stockwire up brings its own;"
            " docker compose up -d rabbitmq), or set STOCKWIRE_AMQP_URL"
        )

    def abandon(self) -> None:
        """Give the connection up without waiting for the broker."""
        self.set_state(self.CLOSED)
        self.heartbeat.stop()
        self._io.cut()
        # Closing joins the reader thread, which is on its way out; nobody needs to wait for it.
        threading.Thread(target=self._close_quietly, name="amqp-close", daemon=True).start()

    def finish(self) -> None:
        """Close in good order, or abandon what does not close within 5 s."""
        closing = threading.Thread(target=self._close_quietly, name="amqp-close", daemon=True)
        closing.start()
        closing.join(CLOSE_TIMEOUT)
        if closing.is_alive():
            self.abandon()

    def _close_quietly(self) -> None:
        with contextlib.suppress(AMQPError, OSError):
            self.close()

    def _read_buffer(self, data_in: bytes) -> bytes:
        """Hand every whole frame to its channel; what is left is the beginning of the next one."""
        start, size = 0, len(data_in)
        while size - start > _FRAME_HEADER.size:
            kind, _, length = _FRAME_HEADER.unpack_from(data_in, start)
            end = start + _FRAME_HEADER.size + length + _FRAME_END
            if end > size:
                break
            channel_id, frame = _unmarshal(kind, data_in[start:end])
            start = end
            self.heartbeat.register_read()
            if channel_id == 0:
                if frame.name == "Connection.Close":
                    self.close_frame = frame
                self._channel0.on_frame(frame)
                if frame.name == "Connection.Close":
                    self.failures.append(AMQPConnectionError(frame.reply_text))
            elif channel_id in self._channels:
                self._channels[channel_id].on_frame(frame)
        return data_in[start:]


class Frames:
    """The frames of one channel that somebody waits for, in order, without amqpstorm's 10 ms naps.

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


def connect(address: BrokerAddress, name: str) -> Connection:
    """Open a connection; `name` is what RabbitMQ's own tools show for it.

    Raises BrokerUnavailable where nothing answers, and BrokerRefused where RabbitMQ says no or is not who it should be.
    """
    try:
        connection = Connection(address, name)
    except OSError as error:
        raise BrokerRefused(f"the TLS files of STOCKWIRE_AMQP_URL cannot be used: {error}") from error
    try:
        connection.open()
    except (AMQPError, OSError) as error:
        connection.abandon()
        if isinstance(error.__cause__, ssl.SSLCertVerificationError):
            raise BrokerRefused(
                f"the certificate of RabbitMQ at {address} is not trusted ({error.__cause__.verify_message}):"
                " name the authority that signed it by ?cacertfile=… in STOCKWIRE_AMQP_URL"
            ) from error
        raise connection.lost(error) from error
    connection.opened = True
    return connection


@contextlib.contextmanager
def connected(address: BrokerAddress, name: str) -> Iterator[Connection]:
    """A connection for one block: closed in good order, or abandoned where the block fails."""
    connection = connect(address, name)
    try:
        yield connection
    except BaseException:
        connection.abandon()
        raise
    connection.finish()


@contextlib.contextmanager
def translated(connection: Connection) -> Iterator[None]:
    """Amqpstorm's errors as ours, at the edge."""
    try:
        yield
    except (AMQPError, OSError) as error:
        if connection.failures or connection.is_closed:
            raise connection.lost(error) from error
        if getattr(error, "error_code", None) == _ACCESS_REFUSED:
            raise BrokerRefused(
                f"RabbitMQ at {connection.address} refused user {connection.address.username!r} a permission:"
                f" grant it with rabbitmqctl set_permissions ({error})"
            ) from error
        raise BrokerUnavailable(f"RabbitMQ closed the channel: {error}") from error


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
