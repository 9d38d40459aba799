"""AMQP frames that py-amqp cannot read, or should not keep, made harmless before it sees them.

An exception while py-amqp reads a message ends the worker, and the message comes again to the next one. So a message
whose properties cannot be read arrives without properties, one with a large body arrives without the body, and none is
decompressed. `producer.task_queue.messages` then rejects it.
"""

import struct
from collections.abc import Callable
from typing import Any

from amqp import spec  # type: ignore[import-untyped]
from amqp.exceptions import AMQPError  # type: ignore[import-untyped]
from amqp.method_framing import frame_handler  # type: ignore[import-untyped]
from amqp.serialization import PROPERTY_CLASSES, loads  # type: ignore[import-untyped]

# Bytes. The arguments of a retry hold the reason of each failed symbol.
MAX_BODY = 4 * 2**20

# Source of the frame types: https://www.rabbitmq.com/resources/specs/amqp0-9-1.pdf, section 4.2.3.
_METHOD, _HEADER, _BODY = 1, 2, 3
# Class, an unused number, and the size of the body.
_HEADER_START = struct.Struct(">HxxQ")
_NO_PROPERTIES = b"\0\0"
# Consumer tag, delivery tag, redelivered, exchange, routing key.
_DELIVER_ARGUMENTS = "sLbss"
# All that the functions of py-amqp raise for bytes that they cannot read.
_UNREADABLE = (AMQPError, ArithmeticError, LookupError, OSError, RecursionError, TypeError, ValueError, struct.error)

Frame = tuple[int, int, bytes]


def safe_frame_handler(connection: Any, callback: Callable[..., Any]) -> Callable[[Frame], bool]:
    """Return py-amqp's reader of frames behind a filter."""
    on_frame = frame_handler(connection, callback)
    # Bytes of a large body that are still to come, by channel.
    to_skip: dict[int, int] = {}

    def on_any_frame(frame: Frame) -> bool:
        frame_type, channel, payload = frame
        if frame_type == _BODY and channel in to_skip:
            to_skip[channel] -= len(payload)
            if to_skip[channel] <= 0:
                del to_skip[channel]
            return False
        if frame_type == _METHOD:
            payload = readable_method(payload)
        elif frame_type == _HEADER:
            size = _HEADER_START.unpack_from(payload)[1]
            payload = readable_header(payload)
            if size > MAX_BODY:
                to_skip[channel] = size
        return bool(on_frame((frame_type, channel, payload)))

    return on_any_frame


def readable_method(payload: bytes) -> bytes:
    """Return a method without the names in a delivery that are not text; all other methods are unchanged."""
    if struct.unpack_from(">HH", payload) != spec.Basic.Deliver:
        return payload
    try:
        loads(_DELIVER_ARGUMENTS, payload, 4)
    except UnicodeDecodeError:
        # The consumer tag is our own; the names of the exchange and the routing key come from outside.
        end = 4 + 1 + payload[4] + 8 + 1
        return bytes(payload[:end]) + b"\0\0"
    return payload


def readable_header(payload: bytes) -> bytes:
    """Return a content header that py-amqp can read: without properties, or without the body, if necessary."""
    class_id, size = _HEADER_START.unpack_from(payload)
    if size > MAX_BODY:
        return _HEADER_START.pack(class_id, 0) + _NO_PROPERTIES
    try:
        properties, _ = PROPERTY_CLASSES[class_id](payload, _HEADER_START.size)
        compressed = "compression" in properties.get("application_headers", {})
    except _UNREADABLE:
        compressed = True
    # kombu would decompress the body, however large it becomes.
    return bytes(payload[: _HEADER_START.size]) + _NO_PROPERTIES if compressed else payload
