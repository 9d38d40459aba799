"""Publishing with pipelined confirms: many in flight, one wait, and every failure by the event's id."""

import itertools
import logging
import time
from collections import deque
from collections.abc import Iterable
from types import TracebackType
from typing import Self

from shared.backoff import Backoff
from shared.errors import BrokerError, BrokerRefused, BrokerUnavailable, PublishError
from shared.messaging.address import BrokerAddress
from shared.messaging.amqp.confirms import ChannelClosed, ConfirmChannel, ConfirmTimeout, Patience
from shared.messaging.amqp.connection import Connection, connect
from shared.messaging.messages import Message
from shared.signals import Stop

log = logging.getLogger(__name__)

# RabbitMQ confirms in bursts; more in flight than this only adds latency, and might fill the socket under an alarm.
WINDOW = 1000
CHUNK = 100
TIMEOUT = 30.0


class Publisher:
    """Publishes from one thread of one process. It connects on first use: a fork before that is safe, after it not."""

    def __init__(
        self,
        address: BrokerAddress,
        name: str,
        *,
        timeout: float = TIMEOUT,
        wait_while_blocked: bool = False,
        stop: Stop | None = None,
    ) -> None:
        """`name` is what RabbitMQ's tools show; `timeout` the seconds without progress after which it gives up.

        With `wait_while_blocked` it waits for as long as RabbitMQ has blocked all publishers (a memory or disk alarm).
        Once a `stop` is requested it waits for no more than what RabbitMQ is just about to confirm.
        """
        self._address = address
        self._name = name
        self._patience = Patience(timeout, wait_while_blocked, stop or Stop())
        self._connection: Connection | None = None
        self._channel: ConfirmChannel | None = None

    def publish(self, messages: Iterable[Message]) -> int:
        """Publish all, wait once until RabbitMQ has confirmed them, and say how many those were.

        Messages are taken from the iterable 100 at a time, at most 1000 are in flight. A connection that is lost on
        the way is made again, and what was unconfirmed or refused (nack) is sent again under the same ids, until the
        time-out, which starts again only with what is confirmed. Raises PublishError naming every event that was
        returned or not confirmed (after a time-out, a stop or a closed channel, what the iterable still holds is not
        taken), and BrokerError where no connection can be made at all.
        """
        outbox = _Outbox(messages)
        failures: dict[str, str] = {}
        deadline = 0.0
        channel = self._channel or self._open()
        while True:
            settled = channel.settled
            try:
                self._send(outbox, channel)
            except BrokerUnavailable as error:
                if not deadline or channel.settled > settled or self._patience.excuses(channel.connection):
                    deadline = time.monotonic() + self._patience.timeout
                failures |= channel.take_failures()
                outbox.put_back(channel)
                channel = self._reconnect(outbox, failures, error, deadline)
            except (ChannelClosed, ConfirmTimeout) as error:
                failures |= channel.failures
                outbox.put_back(channel)
                self._abandon()
                raise PublishError(outbox.failed(error) | failures) from error
            else:
                break
        failures |= channel.take_failures()
        if failures:
            raise PublishError(failures)
        return outbox.taken

    def close(self) -> None:
        if self._connection is not None:
            self._connection.finish()
        self._connection = self._channel = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None) -> None:
        if kind is None:
            self.close()
        else:
            self._abandon()

    def _send(self, outbox: "_Outbox", channel: ConfirmChannel) -> None:
        while chunk := outbox.next_chunk():
            channel.send(chunk)
            channel.collect(WINDOW - CHUNK, self._patience)
        channel.collect(0, self._patience)

    def _open(self) -> ConfirmChannel:
        self._connection = connect(self._address, self._name)
        try:
            self._channel = ConfirmChannel(self._connection)
        except BrokerError:
            self._abandon()
            raise
        return self._channel

    def _reconnect(
        self, outbox: "_Outbox", failures: dict[str, str], error: BrokerError, deadline: float
    ) -> ConfirmChannel:
        """A new channel before the deadline, or PublishError."""
        log.warning("%s; connecting again", error)
        backoff = Backoff()
        self._abandon()
        while time.monotonic() < deadline and not self._patience.stop.wait(backoff.next_delay()):
            try:
                return self._open()
            except (BrokerUnavailable, BrokerRefused) as again:
                # A broker that is starting up may refuse its own users for a moment.
                error = again
        raise PublishError(outbox.failed(error) | failures) from error

    def _abandon(self) -> None:
        if self._connection is not None:
            self._connection.abandon()
        self._connection = self._channel = None


class _Outbox:
    """What is to be sent: first what came back from a lost connection, then what the caller still has."""

    def __init__(self, messages: Iterable[Message]) -> None:
        self.taken = 0
        self._again: deque[Message] = deque()
        self._new = iter(messages)

    def next_chunk(self) -> list[Message]:
        if self._again:
            return [self._again.popleft() for _ in range(min(CHUNK, len(self._again)))]
        chunk = list(itertools.islice(self._new, CHUNK))
        self.taken += len(chunk)
        return chunk

    def put_back(self, channel: ConfirmChannel) -> None:
        self._again.extendleft(reversed(channel.unsettled()))

    def failed(self, error: BrokerError) -> dict[str, str]:
        return {message.id: str(error) for message in self._again}
