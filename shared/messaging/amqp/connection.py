"""A connection whose loss is noticed at once, and which never hangs.

amqpstorm 3.1.4 leaves gaps that are closed here and in `wire`: socket errors go to a list that `open` has replaced, and
a full socket blocks the writer, the heartbeat and `close` without end.
"""

import contextlib
import ssl
import threading
from collections.abc import Iterator
from typing import Any

from amqpstorm import connection as amqpstorm
from amqpstorm.base import Stateful
from amqpstorm.channel import Channel
from amqpstorm.exception import AMQPConnectionError, AMQPError

from shared.errors import BrokerError, BrokerRefused, BrokerUnavailable
from shared.messaging.address import BrokerAddress
from shared.messaging.amqp.codec import split_frames
from shared.messaging.amqp.transport import BoundedIO, Failures

# Seconds.
CONNECT_TIMEOUT = 10
HANDSHAKE_TIMEOUT = 8
CLOSE_TIMEOUT = 5
RPC_TIMEOUT = 20

_ACCESS_REFUSED = 403
_NOT_ALLOWED = 530


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
        self.heartbeat.send_heartbeat_impl = self._send_heartbeat
        # Whoever is held up by a full socket would else learn of it last.
        self.failures.listeners.append(lambda _: self._io.cut())

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

    def open_channel(self) -> Channel:
        """Open a channel. Raises BrokerError."""
        with translate_errors(self):
            return self.channel(rpc_timeout=RPC_TIMEOUT)

    def write(self, data: bytes) -> None:
        """Send frames that are encoded already."""
        self.heartbeat.register_write()
        self._io.write_to_socket(data)

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

    def _send_heartbeat(self) -> None:
        """Leave it out while something else is being sent: waiting for that, the timer could not notice silence."""
        if not self._io.is_sending:
            self._channel0.send_heartbeat()

    def _close_quietly(self) -> None:
        with contextlib.suppress(AMQPError, OSError):
            self.close()

    def _wait_for_connection_state(self, state: int = Stateful.OPEN, rpc_timeout: float = HANDSHAKE_TIMEOUT) -> None:
        """No longer for a handshake than whoever wants us to stop is ready to wait."""
        super()._wait_for_connection_state(state, rpc_timeout)

    def _read_buffer(self, data_in: bytes) -> bytes:
        """Hand every whole frame to its channel; what is left is the beginning of the next one."""
        read = 0
        for end, channel_id, frame in split_frames(data_in):
            read = end
            self.heartbeat.register_read()
            if channel_id == 0:
                self._on_connection_frame(frame)
            elif channel_id in self._channels:
                self._channels[channel_id].on_frame(frame)
        return data_in[read:]

    def _on_connection_frame(self, frame: Any) -> None:
        if frame.name == "Connection.Close":
            self.close_frame = frame
        self._channel0.on_frame(frame)
        if frame.name == "Connection.Close":
            self.failures.append(AMQPConnectionError(frame.reply_text))


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
def translate_errors(connection: Connection) -> Iterator[None]:
    """The library's errors as ours, at the edge."""
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
