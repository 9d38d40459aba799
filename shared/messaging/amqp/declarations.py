"""Declarations of the topology: exchanges, queues and bindings.

An exchange or a queue is declared passively first, because that needs no permission. If it exists, a user who may not
configure it goes on; for any other user, RabbitMQ compares its arguments. A publisher does not have them compared: it
connects often, and RabbitMQ would log a refusal each time. The consumers do, with each connection.
"""

import json
import logging
import shlex
from functools import partial
from typing import Any

from amqpstorm.channel import Channel
from amqpstorm.exception import AMQPChannelError
from pamqp import commands, frame

from shared.errors import BrokerError, BrokerRefused, BrokerUnavailable, TopologyConflict
from shared.messaging.amqp.connection import ACCESS_REFUSED, Connection, translate_errors
from shared.messaging.permissions import Permissions, declaring_permissions
from shared.messaging.topology import (
    DEAD_EXCHANGE,
    DEAD_QUEUE_ARGUMENTS,
    DEAD_QUEUE_PATTERN,
    DEAD_QUEUE_POLICY,
    EXCHANGE,
    EXCHANGE_TYPES,
    UNLIMITED_DEAD_QUEUE_ARGUMENTS,
    QueueSpec,
    dead_queue_name,
    dead_queue_policy,
)

log = logging.getLogger(__name__)

_NOT_FOUND = 404
_PRECONDITION_FAILED = 406


def declare_exchanges(connection: Connection) -> Channel:
    """Declare both exchanges if they do not exist, and return an open channel.

    Raises PermissionMissing and other BrokerErrors.
    """
    declaring = _Declaring(connection, declaring_permissions())
    declaring.exchanges(compare=False)
    return declaring.channel


def declare_queue(connection: Connection, spec: QueueSpec) -> tuple[Channel, bytes]:
    """Declare the exchanges, the queue, its bindings and its dead letter queue.

    Returns an open channel, and the same declarations as frames for that channel. RabbitMQ does not answer these
    frames. They restore what was deleted; if that is impossible, RabbitMQ closes the channel. Raises TopologyConflict,
    PermissionMissing, and other BrokerErrors.
    """
    missing = declaring_permissions() if spec.transient else declaring_permissions(spec.name)
    declaring = _Declaring(connection, missing)
    declaring.exchanges()
    declaring.queue(spec)
    return declaring.channel, declaring.frames()


class _Declaring:
    """Declares one thing after another. After an error, which closes the channel, it opens another channel."""

    def __init__(self, connection: Connection, for_missing: Permissions) -> None:
        """`for_missing` are the permissions to declare what only an administrator declares otherwise."""
        self.channel = connection.open_channel()
        self._connection = connection
        self._for_missing = for_missing
        # False once RabbitMQ has refused an exchange, so that it has no more to log.
        self._may_configure_exchanges = True
        self._repeated: list[Any] = []

    def exchanges(self, *, compare: bool = True) -> None:
        """Declare the exchanges. `compare` has RabbitMQ compare the arguments of those that exist."""
        self._may_configure_exchanges = compare
        for name, exchange_type in EXCHANGE_TYPES.items():
            declaration = partial(commands.Exchange.Declare, exchange=name, exchange_type=exchange_type, durable=True)
            try:
                self._declare(declaration)
            except _Conflict as error:
                raise TopologyConflict(
                    f"exchange {name} exists with other arguments: delete it and start again ({error})"
                ) from error

    def queue(self, spec: QueueSpec) -> None:
        declared, _ = self._declare_queue(spec.name, own=True, arguments=spec.arguments, **spec.flags)
        if not spec.transient:
            self._dead_queue(spec.name)
        if not declared["consumer_count"]:
            # If another process consumes the queue, that process still needs the patterns it has bound.
            for pattern in spec.unwanted_patterns:
                self._call(commands.Queue.Unbind(queue=spec.name, exchange=EXCHANGE, routing_key=pattern))
        for pattern in spec.patterns:
            self._bind(spec.name, EXCHANGE, pattern)

    def frames(self) -> bytes:
        """Return the declarations that succeeded as frames that RabbitMQ does not answer."""
        return b"".join(frame.marshal(method, int(self.channel)) for method in self._repeated)

    def _dead_queue(self, queue: str) -> None:
        name = dead_queue_name(queue)
        try:
            _, existed = self._declare_queue(name, durable=True, arguments=DEAD_QUEUE_ARGUMENTS)
        except TopologyConflict:
            _, existed = self._declare_queue(name, durable=True, arguments=UNLIMITED_DEAD_QUEUE_ARGUMENTS)
            self._log_missing_limits(name)
        if self._may_configure_exchanges or not existed:
            self._bind(name, DEAD_EXCHANGE, queue)

    def _log_missing_limits(self, dead_queue: str) -> None:
        virtual_host = self._connection.address.virtual_host
        options = ("-p", virtual_host, "--apply-to", "queues")
        definition = json.dumps(dead_queue_policy())
        command = ("rabbitmqctl", "set_policy", *options, DEAD_QUEUE_POLICY, DEAD_QUEUE_PATTERN, definition)
        log.warning(
            "queue %s is from an earlier version and has no limits, unless a policy sets them; to set them: %s",
            dead_queue,
            shlex.join(command),
        )

    def _declare_queue(self, name: str, *, own: bool = False, **properties: Any) -> tuple[dict[str, Any], bool]:
        self._connection.queue = name
        try:
            return self._declare(partial(commands.Queue.Declare, queue=name, **properties), own=own)
        except _Conflict as error:
            raise TopologyConflict(
                f"queue {name} exists with other arguments: empty and delete it (rabbitmqctl delete_queue {name}) and"
                f" start again, or name another with --queue ({error})"
            ) from error

    def _declare(self, declaration: "partial[Any]", *, own: bool = False) -> tuple[dict[str, Any], bool]:
        """Declare, and return RabbitMQ's answer and True if it existed before.

        A user who may not configure the first exchange is not expected to configure anything but its own queue. To try
        that would only fill RabbitMQ's log.
        """
        found = self._find(declaration)
        if found is not None and not own and not self._may_configure_exchanges:
            return self._keep(declaration, found)
        try:
            declared = self._call(declaration())
        except _Refused as error:
            if found is None:
                raise self._connection.refused(error, self._for_missing) from error
            if not own:
                self._may_configure_exchanges = False
            return self._keep(declaration, found)
        self._repeated.append(declaration(nowait=True))
        return declared, found is not None

    def _keep(self, declaration: "partial[Any]", found: dict[str, Any]) -> tuple[dict[str, Any], bool]:
        self._repeated.append(declaration(passive=True, nowait=True))
        return found, True

    def _find(self, declaration: "partial[Any]") -> dict[str, Any] | None:
        """Return RabbitMQ's answer to the passive declaration, or None if there is no such exchange or queue."""
        try:
            return self._call(declaration(passive=True))
        except _Missing:
            return None

    def _bind(self, queue: str, exchange: str, routing_key: str) -> None:
        binding = partial(commands.Queue.Bind, queue=queue, exchange=exchange, routing_key=routing_key)
        try:
            self._call(binding())
        except _Refused as error:
            needed = self._for_missing if exchange == DEAD_EXCHANGE else None
            raise self._connection.refused(error, needed) from error
        self._repeated.append(binding(nowait=True))

    def _call(self, method: Any) -> dict[str, Any]:
        """Call a method of AMQP and return its answer. Raises _Missing, _Refused, _Conflict, and other BrokerErrors."""
        with translate_errors(self._connection):
            try:
                answer: dict[str, Any] = self.channel.rpc_request(method)
            except AMQPChannelError as error:
                kind = _ERRORS.get(error.error_code or 0)
                if kind is None or self._connection.errors:
                    raise
                self.channel = self._connection.open_channel()
                raise kind(str(error)) from error
        return answer


class _Missing(BrokerUnavailable):
    pass


class _Refused(BrokerRefused):
    pass


class _Conflict(BrokerError):
    pass


_ERRORS = {_NOT_FOUND: _Missing, ACCESS_REFUSED: _Refused, _PRECONDITION_FAILED: _Conflict}
