"""A publisher that keeps many messages in flight and reports each message that RabbitMQ did not take."""

import itertools
import logging
import time
from collections import deque
from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import Self

from shared.backoff import Backoff
from shared.errors import (
    BrokerError,
    BrokerRefused,
    BrokerUnavailable,
    PermissionMissing,
    PublishError,
    PublishRefused,
)
from shared.events import MAX_BODY
from shared.messaging.address import BrokerAddress
from shared.messaging.amqp.confirms import ConfirmChannel, ConfirmTimeout, WaitPolicy
from shared.messaging.amqp.connection import Connection, connect
from shared.messaging.amqp.frames import ChannelClosed
from shared.messaging.messages import Message
from shared.messaging.permissions import OPERATOR, Permissions
from shared.signals import Stop

log = logging.getLogger(__name__)

# Messages. RabbitMQ confirms in bursts. More messages in flight only add latency, and may fill the socket during an
# alarm.
MAX_IN_FLIGHT = 1000
CHUNK_SIZE = 100
# Seconds.
CONFIRM_TIMEOUT = 30.0


class Publisher:
    """Publishes from one thread of one process. It connects on first use; do not fork after that."""

    def __init__(
        self,
        address: BrokerAddress,
        name: str,
        *,
        permissions: Permissions = OPERATOR,
        timeout: float = CONFIRM_TIMEOUT,
        wait_while_blocked: bool = False,
        stop: Stop | None = None,
    ) -> None:
        """Prepare a publisher; RabbitMQ's tools show its connection as `stockwire <name>`.

        `permissions` are what the process needs. Publishing fails after `timeout` seconds without a confirm. With
        `wait_while_blocked`, the time in which RabbitMQ blocks all publishers (a memory or disk alarm) does not count.
        After a `stop` request, publishing fails after a second without a confirm.
        """
        self._address = address
        self._name = name
        self._permissions = permissions
        self._wait_policy = WaitPolicy(timeout, wait_while_blocked, stop or Stop())
        self._connection: Connection | None = None
        self._channel: ConfirmChannel | None = None

    def publish(self, messages: Iterable[Message]) -> int:
        """Publish all messages, wait until RabbitMQ has confirmed them, and return their number.

        Takes CHUNK_SIZE messages at a time from the iterable and keeps at most MAX_IN_FLIGHT in flight. After a lost
        connection or a nack, opens a new connection and sends the unconfirmed messages again, with the same ids. Each
        confirm starts the timeout again.

        Raises PublishError with the id of every message that was returned or not confirmed, or whose body is over
        64 KiB, which is not sent. Raises PublishRefused if the user lacks a permission. After a timeout, a stop
        request or a closed channel, the rest of the iterable is not read. Raises BrokerError if the first connection
        fails.
        """
        queue = _SendQueue(messages)
        failures: dict[str, str] = {}
        deadline = 0.0
        channel = self._channel or self._open()
        while True:
            confirmed_before = channel.confirmed
            try:
                self._send(queue, channel)
            except BrokerUnavailable as error:
                if not deadline or channel.confirmed > confirmed_before or self._is_blocked(channel):
                    deadline = time.monotonic() + self._wait_policy.timeout
                failures |= channel.take_returned()
                queue.put_back(channel.unconfirmed())
                channel = self._reconnect(queue, failures, error, deadline)
            except (ChannelClosed, ConfirmTimeout, PermissionMissing) as error:
                failures |= channel.returned
                queue.put_back(channel.unconfirmed())
                self._abort()
                raise _failed(queue.failures(error) | failures, error) from error
            else:
                break
        failures |= channel.take_returned() | queue.too_large
        if failures:
            raise PublishError(failures)
        return queue.taken

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close_gracefully()
        self._connection = self._channel = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None) -> None:
        if kind is None:
            self.close()
        else:
            self._abort()

    def _send(self, queue: "_SendQueue", channel: ConfirmChannel) -> None:
        while chunk := queue.next_chunk():
            channel.send(chunk)
            channel.wait_for_confirms(MAX_IN_FLIGHT - CHUNK_SIZE, self._wait_policy)
        channel.wait_for_confirms(0, self._wait_policy)

    def _is_blocked(self, channel: ConfirmChannel) -> bool:
        return self._wait_policy.extends_deadline(channel.connection)

    def _open(self) -> ConfirmChannel:
        self._connection = connect(self._address, self._name, self._permissions)
        try:
            self._channel = ConfirmChannel(self._connection)
        except BrokerError:
            self._abort()
            raise
        return self._channel

    def _reconnect(
        self, queue: "_SendQueue", failures: dict[str, str], error: BrokerError, deadline: float
    ) -> ConfirmChannel:
        """Return a new channel. Raises PublishError at the deadline or after a stop request."""
        log.warning("%s; connecting again", error)
        backoff = Backoff()
        self._abort()
        while time.monotonic() < deadline and not self._wait_policy.stop.wait(backoff.next_delay()):
            try:
                return self._open()
            except (BrokerUnavailable, BrokerRefused) as latest:
                # While RabbitMQ starts, it may refuse its own users for a moment.
                error = latest
        raise _failed(queue.failures(error) | failures, error) from error

    def _abort(self) -> None:
        if self._connection is not None:
            self._connection.abort()
        self._connection = self._channel = None


def _failed(failures: Mapping[str, str], error: BrokerError) -> PublishError:
    kind = PublishRefused if isinstance(error, PermissionMissing) else PublishError
    return kind(failures)


class _SendQueue:
    """The messages to send: first those that were not confirmed, then the rest of the caller's iterable.

    `too_large` has the reason for the id of every message that is left out because of its size.
    """

    def __init__(self, messages: Iterable[Message]) -> None:
        self.taken = 0
        self.too_large: dict[str, str] = {}
        self._unconfirmed: deque[Message] = deque()
        self._new = filter(self._take, messages)

    def next_chunk(self) -> list[Message]:
        if self._unconfirmed:
            return [self._unconfirmed.popleft() for _ in range(min(CHUNK_SIZE, len(self._unconfirmed)))]
        return list(itertools.islice(self._new, CHUNK_SIZE))

    def put_back(self, messages: list[Message]) -> None:
        self._unconfirmed.extendleft(reversed(messages))

    def failures(self, error: BrokerError) -> dict[str, str]:
        """Return the reason for the id of every message that is too large or unconfirmed."""
        return self.too_large | {message.id: str(error) for message in self._unconfirmed}

    def _take(self, message: Message) -> bool:
        """Count a message, and return True if it is not too large."""
        self.taken += 1
        if len(message.body) > MAX_BODY:
            self.too_large[message.id] = f"its body of {len(message.body)} bytes is over 64 KiB"
            return False
        return True
