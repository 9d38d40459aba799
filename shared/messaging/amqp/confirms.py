"""A channel in confirm mode that keeps many messages in flight and records the outcome of each.

Source: https://www.rabbitmq.com/docs/confirms#publisher-confirms
"""

import itertools
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any, NamedTuple

from amqpstorm.exception import AMQPChannelError
from pamqp import commands

from shared.errors import BrokerError, BrokerUnavailable
from shared.messaging.amqp.codec import Ack, Header, encode_content, encode_publish
from shared.messaging.amqp.connection import ACCESS_REFUSED, Connection, translate_errors
from shared.messaging.amqp.declarations import declare_exchanges
from shared.messaging.amqp.frames import ChannelClosed, FrameQueue
from shared.messaging.amqp.properties import encode_properties
from shared.messaging.messages import NO_ID, DroppedBody, Message
from shared.signals import Stop

log = logging.getLogger(__name__)

# Seconds without a confirm before the connection and the stop request are checked.
_POLL_INTERVAL = 1.0


class Nacked(BrokerUnavailable):
    """RabbitMQ has sent a nack: a queue is full, or has no leader at the moment."""


class ConfirmTimeout(BrokerError):
    """RabbitMQ has not confirmed any message within the timeout."""


@dataclass(frozen=True)
class WaitPolicy:
    """The end of the wait for confirms: a `stop` request, or `timeout` seconds without a confirm.

    With `wait_while_blocked`, the time in which RabbitMQ blocks all publishers (a memory or disk alarm) does not count.
    """

    timeout: float
    wait_while_blocked: bool = False
    stop: Stop = field(default_factory=Stop)

    def extends_deadline(self, connection: Connection) -> bool:
        """Return True if the timeout does not run at the moment, because RabbitMQ blocks publishers."""
        return self.wait_while_blocked and connection.is_blocked and not self.stop.requested


class ConfirmChannel:
    """Sends messages and records which were confirmed, nacked or returned. Use it from one thread only.

    The keys of `in_flight` and `nacked` are delivery tags, which RabbitMQ counts from 1 per channel.
    `returned` maps the id of each message that reached no queue to the reason.

    Send nacked messages again on a new channel: RabbitMQ 3.10 sends a nack for everything on a channel that was opened
    just after the leader of a queue had died.
    """

    def __init__(self, connection: Connection) -> None:
        """Open a channel in confirm mode and declare the exchanges. Raises BrokerError."""
        self.connection = connection
        self.in_flight: dict[int, Message] = {}
        self.nacked: dict[int, Message] = {}
        self.returned: dict[str, str] = {}
        self._sent = 0
        self._block_logged = False
        self._channel = declare_exchanges(connection)
        with translate_errors(connection):
            # Not confirm_deliveries(), because amqpstorm would then wait for the confirm of each message.
            self._channel.rpc_request(commands.Confirm.Select())
        # Not bounded: a publisher that waits to send needs a reader that never waits.
        self._frames = FrameQueue(connection, self._channel, _make_returned, max_body=0, bounded=False)

    @property
    def confirmed(self) -> int:
        """The number of messages that RabbitMQ has confirmed."""
        return self._sent - len(self.in_flight) - len(self.nacked)

    def unconfirmed(self) -> list[Message]:
        """Return the messages in flight and the nacked ones, in the order in which they were sent."""
        return [message for _, message in sorted((self.nacked | self.in_flight).items(), key=itemgetter(0))]

    def send(self, messages: Sequence[Message]) -> None:
        """Send without waiting for confirms. Raises BrokerError, after which the messages may still have arrived."""
        # Encode all messages before counting them: a message that cannot be encoded must not shift the delivery tags.
        data = b"".join(self._encode(message) for message in messages)
        for message in messages:
            self._sent += 1
            self.in_flight[self._sent] = message
        with translate_errors(self.connection):
            try:
                self._channel.check_for_errors()
                self.connection.write(data)
            except AMQPChannelError as error:
                if error.error_code == ACCESS_REFUSED:
                    raise
                raise ChannelClosed(f"RabbitMQ closed the channel: {error}") from error

    def take_returned(self) -> dict[str, str]:
        """Return the final entries of `returned`, and empty it.

        An entry is final if its message is confirmed. Unconfirmed messages may be sent again and succeed.
        """
        unconfirmed = {message.id for message in self.unconfirmed()}
        final = {event_id: reason for event_id, reason in self.returned.items() if event_id not in unconfirmed}
        self.returned = {}
        return final

    def wait_for_confirms(self, max_in_flight: int, policy: WaitPolicy) -> None:
        """Wait until at most `max_in_flight` messages are in flight.

        Raises Nacked if RabbitMQ nacked a message, when no message is in flight; ConfirmTimeout at the end of the
        policy's timeout or after a stop request; ChannelClosed; BrokerUnavailable.
        """
        deadline = time.monotonic() + policy.timeout
        while len(self.in_flight) > (0 if self.nacked else max_in_flight):
            remaining = deadline - time.monotonic()
            if remaining <= 0:
                raise ConfirmTimeout(self._timeout_reason(policy))
            if self._receive(min(remaining, _POLL_INTERVAL), policy):
                deadline = time.monotonic() + policy.timeout
        if self.nacked:
            raise Nacked("RabbitMQ sent a nack, because a queue is full or has failed")

    def _receive(self, timeout: float, policy: WaitPolicy) -> bool:
        """Handle the frames that arrive within `timeout` seconds. Return True if the timeout starts again."""
        arrived = self._frames.take(len(self.in_flight), timeout)
        if not arrived or self._block_logged:
            self._log_blocking()
        if not arrived and policy.stop.requested:
            raise ConfirmTimeout("stopped before RabbitMQ had confirmed the message")
        progress = False
        for item in arrived:
            progress |= self._handle(item)
        return progress or (not arrived and policy.extends_deadline(self.connection))

    def _handle(self, item: Any) -> bool:
        """Record a confirm or a returned message; return True for a confirm."""
        if isinstance(item, _Returned):
            self.returned[item.event_id] = (
                f"no queue is bound for {item.routing_key}: start a consumer first"
                " (./stockwire consume history declares its own)"
            )
            return False
        finished = self._remove_from_flight(item.delivery_tag, multiple=item.multiple)
        if not isinstance(item, Ack):
            self.nacked |= finished
        return True

    def _remove_from_flight(self, last: int, *, multiple: bool) -> dict[int, Message]:
        if multiple:
            tags = list(itertools.takewhile(lambda tag: tag <= last, self.in_flight))
        else:
            tags = [last] if last in self.in_flight else []
        return {tag: self.in_flight.pop(tag) for tag in tags}

    def _log_blocking(self) -> None:
        blocked = self.connection.is_blocked
        if blocked and not self._block_logged:
            log.warning("RabbitMQ has blocked publishers (memory or disk alarm); waiting")
        elif self._block_logged and not blocked:
            log.warning("RabbitMQ no longer blocks publishers; publishing again")
        self._block_logged = blocked

    def _timeout_reason(self, policy: WaitPolicy) -> str:
        if self.connection.is_blocked:
            return "RabbitMQ has blocked publishers (memory or disk alarm); free memory or disk, then publish again"
        return f"RabbitMQ did not confirm the message within {policy.timeout:g} s"

    def _encode(self, message: Message) -> bytes:
        method = encode_publish(message.exchange, message.routing_key, mandatory=message.mandatory)
        header = encode_properties(message.properties, len(message.body))
        return encode_content(int(self._channel), method, header, message.body, self.connection.max_frame_size)


class _Returned(NamedTuple):
    """A message that reached no queue. RabbitMQ returns a message before it confirms the message."""

    event_id: str
    routing_key: str


def _make_returned(
    method: commands.Basic.Return, header: Header, _body: bytes, _dropped: DroppedBody | None = None
) -> _Returned:
    return _Returned(header.properties.get("message_id") or NO_ID, str(method.routing_key))
