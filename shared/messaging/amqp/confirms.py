"""A channel in confirm mode that keeps many messages in flight and accounts for every one of them.

Source: https://www.rabbitmq.com/docs/confirms#publisher-confirms
"""

import itertools
import logging
import queue
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any

from amqpstorm.exception import AMQPChannelError
from pamqp import commands

from shared.errors import BrokerError, BrokerUnavailable
from shared.messaging.amqp.codec import encode_content, encode_publish
from shared.messaging.amqp.connection import Connection, translate_errors
from shared.messaging.amqp.declarations import declare_exchanges
from shared.messaging.amqp.frames import Frames
from shared.messaging.amqp.properties import encode_properties
from shared.messaging.messages import Message
from shared.signals import Stop

log = logging.getLogger(__name__)

# In seconds: how long it may be quiet before it is looked into, and how long a stop may have to wait.
_LOOK_EVERY = 1.0

_FRAMES = frozenset({"Basic.Ack", "Basic.Nack", "Basic.Return", "ContentHeader", "ContentBody"})


class ChannelClosed(BrokerError):
    """RabbitMQ closed the channel, and with it gave up what was unconfirmed on it."""


class Refused(BrokerUnavailable):
    """RabbitMQ has refused messages (nack): a queue is full, or has no leader for now."""


class ConfirmTimeout(BrokerError):
    """Nothing was confirmed for as long as the publisher is ready to wait."""


@dataclass(frozen=True)
class Patience:
    """How long to wait for confirms: `timeout` seconds without any, not counting those in which RabbitMQ takes nothing
    from anybody (a memory or disk alarm) where it is to `wait_while_blocked`, and no longer than until `stop`.
    """

    timeout: float
    wait_while_blocked: bool = False
    stop: Stop = field(default_factory=Stop)

    def excuses(self, connection: Connection) -> bool:
        return self.wait_while_blocked and connection.is_blocked and not self.stop.requested


class ConfirmChannel:
    """Numbers what it sends as the broker does, from 1; `unconfirmed` and `failures` say what became of it.

    One thread uses it. `failures` maps the id of each message that was returned to the reason. What was `refused` may
    have better luck on another channel (RabbitMQ 3.10 goes on refusing on one that was opened just as the queue's
    leader had died). Both dictionaries of messages have their numbers as keys.
    """

    def __init__(self, connection: Connection) -> None:
        """Raises BrokerError."""
        self.connection = connection
        self.unconfirmed: dict[int, Message] = {}
        self.refused: dict[int, Message] = {}
        self.failures: dict[str, str] = {}
        self._sent = 0
        self._return: Any = None
        self._said = False
        with translate_errors(connection):
            self._channel = connection.open_channel()
            declare_exchanges(self._channel)
            # Not confirm_deliveries(), after which amqpstorm waits for each confirm by itself.
            self._channel.rpc_request(commands.Confirm.Select())
        self._frames = Frames(connection, self._channel, _FRAMES)

    @property
    def settled(self) -> int:
        """How many messages RabbitMQ has confirmed."""
        return self._sent - len(self.unconfirmed) - len(self.refused)

    def unsettled(self) -> list[Message]:
        """What is not confirmed and what was refused, in the order in which it was sent."""
        return [message for _, message in sorted((self.refused | self.unconfirmed).items(), key=itemgetter(0))]

    def send(self, messages: Sequence[Message]) -> None:
        """Send without waiting. Raises BrokerError; what `unconfirmed` holds then is not known to have arrived."""
        # Before any is numbered: one that cannot be encoded would shift the numbers of those behind it.
        data = b"".join(self._encode(message) for message in messages)
        for message in messages:
            self._sent += 1
            self.unconfirmed[self._sent] = message
        with translate_errors(self.connection):
            try:
                self._channel.check_for_errors()
                self.connection.write(data)
            except AMQPChannelError as error:
                raise ChannelClosed(f"RabbitMQ closed the channel: {error}") from error

    def take_failures(self) -> dict[str, str]:
        """The failures that are final, which are forgotten here; what is unsettled may be sent again and succeed."""
        unsettled = {message.id for message in self.unsettled()}
        final = {event_id: reason for event_id, reason in self.failures.items() if event_id not in unsettled}
        self.failures = {}
        return final

    def collect(self, down_to: int, patience: Patience) -> None:
        """Take in confirms until at most `down_to` messages are unconfirmed.

        Raises Refused where any was refused, once nothing is in flight any more; ConfirmTimeout where patience ends,
        ChannelClosed, or BrokerUnavailable.
        """
        deadline = time.monotonic() + patience.timeout
        while len(self.unconfirmed) > (0 if self.refused else down_to):
            left = deadline - time.monotonic()
            if left <= 0:
                raise ConfirmTimeout(self._why_late(patience))
            try:
                renewed = self._take(self._frames.get(min(left, _LOOK_EVERY)))
            except queue.Empty:
                self._say_if_blocked()
                if patience.stop.requested:
                    raise ConfirmTimeout("stopped before RabbitMQ had confirmed it") from None
                renewed = patience.excuses(self.connection)
            if renewed:
                deadline = time.monotonic() + patience.timeout
            if self._said:
                self._say_if_blocked()
        if self.refused:
            raise Refused("RabbitMQ refused it (nack): a queue is full or has failed")

    def _take(self, arrived: Any) -> bool:
        """Account for one frame; says whether it settled anything."""
        match arrived.name:
            case "Basic.Ack":
                self._settle(arrived)
            case "Basic.Nack":
                self.refused |= self._settle(arrived)
            case "Basic.Return":
                self._return = arrived
                return False
            case "ContentHeader":
                self._note_return(arrived)
                return False
            case "Channel.Close":
                raise ChannelClosed(f"RabbitMQ closed the channel: {arrived.reply_text}")
            case _:
                return False
        return True

    def _settle(self, confirm: Any) -> dict[int, Message]:
        """Take out what a confirm is about."""
        last = confirm.delivery_tag
        if confirm.multiple:
            tags = list(itertools.takewhile(lambda tag: tag <= last, self.unconfirmed))
        else:
            tags = [last] if last in self.unconfirmed else []
        return {tag: self.unconfirmed.pop(tag) for tag in tags}

    def _note_return(self, header: Any) -> None:
        """The broker sends a returned message back before it confirms it; its header says which one it is."""
        event_id = header.properties.get("message_id") or "(without id)"
        self.failures[event_id] = (
            f"no queue is bound for {self._return.routing_key}: start a consumer first"
            " (./stockwire consume history declares its own)"
        )

    def _say_if_blocked(self) -> None:
        if self.connection.is_blocked and not self._said:
            log.warning("RabbitMQ has blocked publishers (memory or disk alarm): waiting until it takes messages again")
        elif self._said and not self.connection.is_blocked:
            log.warning("RabbitMQ no longer blocks publishers: going on")
        self._said = self.connection.is_blocked

    def _why_late(self, patience: Patience) -> str:
        if self.connection.is_blocked:
            return "RabbitMQ has blocked publishers (memory or disk alarm): free some, and publish again"
        return f"not confirmed within {patience.timeout:g} s"

    def _encode(self, message: Message) -> bytes:
        method = encode_publish(message.exchange, message.routing_key, mandatory=message.mandatory)
        header = encode_properties(message.properties, len(message.body))
        return encode_content(int(self._channel), method, header, message.body, self.connection.max_frame_size)
