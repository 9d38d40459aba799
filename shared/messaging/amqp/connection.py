"""A connection that reports its loss at once and never hangs.

This module and `transport` close gaps of amqpstorm 3.1.4: it appends socket errors to a list that `open` has replaced,
and a full socket blocks the writer, the heartbeat and `close` forever.
"""

import contextlib
import shlex
import threading
from collections.abc import Iterator
from functools import partial
from typing import Any

from amqpstorm import connection as amqpstorm
from amqpstorm.base import Stateful
from amqpstorm.channel import Channel
from amqpstorm.exception import AMQPChannelError, AMQPConnectionError, AMQPError

from shared.errors import BrokerError, BrokerRefused, BrokerUnavailable, PermissionMissing
from shared.messaging.address import BrokerAddress
from shared.messaging.amqp.codec import split_frames
from shared.messaging.amqp.tls_refusals import plain_refusal, tls_refusal
from shared.messaging.amqp.transport import ConnectionErrors, TimedIO
from shared.messaging.permissions import OPERATOR, Permissions, describe_refusal, describe_refused_login
from shared.tls_errors import find_tls_error

# Seconds.
CONNECT_TIMEOUT = 10
HANDSHAKE_TIMEOUT = 8
CLOSE_TIMEOUT = 5
RPC_TIMEOUT = 20

ACCESS_REFUSED = 403
_NOT_ALLOWED = 530
_INTERNAL_ERROR = 541

# RabbitMQ's name for a defect of its own, which `up` looks for in the logs of its consumers.
INTERNAL_ERROR = "INTERNAL_ERROR"
# RabbitMQ tells the reasons apart only by its words.
_NO_VIRTUAL_HOST = "not found"


class Connection(amqpstorm.Connection):
    """A connection to RabbitMQ; `connect` returns an open one."""

    def __init__(self, address: BrokerAddress, name: str, permissions: Permissions = OPERATOR) -> None:
        """Prepare a connection of a process that needs `permissions`. Raises OSError for an unusable TLS file."""
        self.address = address
        self._permissions = permissions
        self.errors = ConnectionErrors()
        self.close_frame: Any = None
        self.opened = False
        # The queue that was last consumed, counted or purged, for the error message.
        self.queue = ""
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
        self._io: TimedIO = TimedIO(self.parameters, self.errors, self._read_buffer)
        self.heartbeat.send_heartbeat_impl = self._send_heartbeat
        # Wake threads that are blocked by a full socket.
        self.errors.listeners.append(lambda _: self._io.shut_down())

    @property
    def _exceptions(self) -> list[Exception]:
        return self.errors

    @_exceptions.setter
    def _exceptions(self, _replacement: list[Exception]) -> None:
        """Ignore the new list, because the socket, the heartbeat and the channels append to the first list."""

    def lost(self, error: Exception | None = None) -> BrokerError:
        """Return the error with the reason why this connection has ended, in words for a user."""
        frame = self.close_frame
        reason = frame.reply_text if frame else next(iter(self.errors), None) or error or "connection closed"
        if frame and frame.reply_code == ACCESS_REFUSED:
            return BrokerRefused(describe_refused_login(self.address))
        if frame and frame.reply_code == _NOT_ALLOWED:
            return self._refused_virtual_host(reason)
        if frame and frame.reply_code == _INTERNAL_ERROR:
            # RabbitMQ 3.10 may do this for good with a quorum queue after a crash, and recovers it at its next start.
            cause = f"failed at queue {self.queue}" if self.queue else "failed"
            return BrokerUnavailable(
                f"RabbitMQ at {self.address} {cause} ({INTERNAL_ERROR}); if it does so again and again, restart it:"
                " rabbitmqctl stop_app, then rabbitmqctl start_app"
            )
        if self.opened:
            return BrokerUnavailable(f"the connection to RabbitMQ at {self.address} was lost: {reason}")
        return BrokerUnavailable(
            f"RabbitMQ does not answer at {self.address} ({reason}); run ./stockwire up, which starts its own, or"
            " docker compose up -d rabbitmq, or set STOCKWIRE_AMQP_URL"
        )

    def tls_refusal(self, error: Exception) -> BrokerRefused | None:
        """Return the error that says what is wrong with the TLS of a connection that did not open, if anything is."""
        if self.address.tls is None:
            return plain_refusal(self.address, self._io.data_in)
        found = find_tls_error(error, *self.errors)
        return tls_refusal(self.address, found) if found else None

    def refused(self, reason: object, also: Permissions | None = None) -> PermissionMissing:
        """Return the error for a refusal, which ends with the command that grants what this process needs.

        `also` are permissions that it needs in addition.
        """
        needed = self._permissions | (also or Permissions())
        return PermissionMissing(describe_refusal(self.address, str(reason), needed))

    def _refused_virtual_host(self, reason: object) -> BrokerRefused:
        user, virtual_host = self.address.username, self.address.virtual_host
        refused = f"RabbitMQ at {self.address} refused user {user!r} access to the virtual host ({reason})"
        advice = "check the path of STOCKWIRE_AMQP_URL"
        if _NO_VIRTUAL_HOST in str(reason):
            return BrokerRefused(
                f"{refused}; {advice}, or run: {shlex.join(('rabbitmqctl', 'add_vhost', virtual_host))}"
            )
        command = self._permissions.set_permissions(user, virtual_host)
        return PermissionMissing(f"{refused}; {advice}, or give the user what this process needs: {command}")

    def open_channel(self) -> Channel:
        """Open a channel. Raises BrokerError."""
        with translate_errors(self):
            channel = self.channel(rpc_timeout=RPC_TIMEOUT)
        channel.check_for_errors = partial(_check_for_errors, channel)  # type: ignore[method-assign]
        return channel

    def write(self, data: bytes) -> None:
        """Send encoded frames."""
        self.heartbeat.register_write()
        self._io.write_to_socket(data)

    def may_pause_reading(self) -> bool:
        """Return True if the reader thread may wait, because the connection is open and no thread waits for an answer.

        Counts as a sign of life of RabbitMQ, because nobody reads its heartbeats meanwhile.
        """
        self.heartbeat.register_read()
        return self.is_open and not any(channel.rpc.lock.locked() for channel in [*self._channels.values()])

    def abort(self) -> None:
        """End the connection without waiting for RabbitMQ."""
        self.set_state(self.CLOSED)
        self.heartbeat.stop()
        self._io.shut_down()
        # `close` joins the reader thread, which ends by itself, so nothing needs to wait for `close`.
        threading.Thread(target=self._close_quietly, name="amqp-close", daemon=True).start()

    def close_gracefully(self) -> None:
        """Close the connection and wait for RabbitMQ's answer; abort it after CLOSE_TIMEOUT seconds."""
        closing = threading.Thread(target=self._close_quietly, name="amqp-close", daemon=True)
        closing.start()
        closing.join(CLOSE_TIMEOUT)
        if closing.is_alive():
            self.abort()

    def _send_heartbeat(self) -> None:
        """Send a heartbeat unless another send is under way.

        If the heartbeat's timer waited for that send, it could not detect that RabbitMQ is silent.
        """
        if not self._io.is_sending:
            self._channel0.send_heartbeat()

    def _close_quietly(self) -> None:
        with contextlib.suppress(AMQPError, OSError):
            self.close()

    def _wait_for_connection_state(self, state: int = Stateful.OPEN, rpc_timeout: float = HANDSHAKE_TIMEOUT) -> None:
        """Wait for the handshake at most HANDSHAKE_TIMEOUT seconds, because a stop request waits for it too."""
        super()._wait_for_connection_state(state, rpc_timeout)

    def _read_buffer(self, data_in: bytes) -> bytes:
        """Hand every whole frame to its channel, and return the bytes after the last whole frame."""
        read = 0
        self.heartbeat.register_read()
        for end, channel_id, frame in split_frames(data_in):
            read = end
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
            self.errors.append(AMQPConnectionError(frame.reply_text))


def connect(address: BrokerAddress, name: str, permissions: Permissions = OPERATOR) -> Connection:
    """Open a connection; RabbitMQ's tools show the connection as `stockwire <name>`.

    `permissions` are what the process needs; an error names the command that grants them. Raises BrokerUnavailable if
    nothing answers, and BrokerRefused if RabbitMQ refuses the user or if its certificate is not trusted.
    """
    try:
        connection = Connection(address, name, permissions)
    except OSError as error:
        raise BrokerRefused(f"the TLS files of STOCKWIRE_AMQP_URL cannot be used: {error}") from error
    try:
        connection.open()
    except (AMQPError, OSError) as error:
        connection.abort()
        raise connection.tls_refusal(error) or connection.lost(error) from error
    connection.opened = True
    return connection


@contextlib.contextmanager
def connected(address: BrokerAddress, name: str, permissions: Permissions = OPERATOR) -> Iterator[Connection]:
    """Open a connection for one block. Close it at the end of the block, or abort it if the block raises."""
    connection = connect(address, name, permissions)
    try:
        yield connection
    except BaseException:
        connection.abort()
        raise
    connection.close_gracefully()


def _check_for_errors(channel: Channel) -> None:
    """Check as amqpstorm does, and raise the reason of a closed channel if there is one.

    amqpstorm looks for a reason first, and then whether the channel is closed. RabbitMQ may close it in between.
    """
    try:
        Channel.check_for_errors(channel)
    except AMQPChannelError:
        channel.check_for_exceptions()
        raise


@contextlib.contextmanager
def translate_errors(connection: Connection) -> Iterator[None]:
    """Raise amqpstorm's errors as BrokerUnavailable, BrokerRefused or PermissionMissing."""
    try:
        yield
    except (AMQPError, OSError) as error:
        if connection.errors or connection.is_closed:
            raise connection.lost(error) from error
        if getattr(error, "error_code", None) == ACCESS_REFUSED:
            raise connection.refused(error) from error
        raise BrokerUnavailable(f"RabbitMQ closed the channel: {error}") from error
