"""Assembly of messages from their frames, without the bytes of bodies that are too large."""

import hashlib
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

from pamqp import commands

from shared.messaging.amqp.codec import SMALL_BODY, SMALL_PROPERTIES, Ack, Body, Deliver, Header
from shared.messaging.messages import Delivery, DroppedBody

# Decoded properties take up to this many times the memory of their encoding: each empty value is a Python object.
_DECODED_PROPERTIES = 32
# Frames that need no others.
_WHOLE = frozenset((Delivery, Ack, commands.Basic.Nack))


class MakeMessage(Protocol):
    """A function of the method that announces a message, its content header and its body."""

    def __call__(self, method: Any, header: Header, body: bytes, dropped: DroppedBody | None = None, /) -> Any:
        """Return the message. `dropped` is the size and digest of a body that was dropped; `body` is then empty."""


class LargeMessage(NamedTuple):
    """A message whose memory counts. `weight` is an upper bound of that memory in bytes."""

    message: Any
    weight: int


def message_assembler(
    make_message: MakeMessage, max_body: int, put: Callable[[Any], None], put_other: Callable[[Any], None]
) -> Callable[[Any], None]:
    """Return a frame handler that passes whole messages and confirms to `put`, and other frames to `put_other`.

    A message is what `make_message` returns, or a LargeMessage of that. The bytes of a body over `max_body` bytes are
    dropped as they arrive.

    A closure rather than a class, because it runs for every frame and local variables are faster than attributes.
    """
    method: Any
    header: Header
    small_size = -1  # of a small message's body
    parts: _Parts | None = None

    def on_frame(frame: Any) -> None:
        nonlocal method, header, small_size
        kind = frame.__class__
        if kind in _WHOLE:
            put(frame)
        elif kind is Body:
            if len(frame.value) == small_size:
                put(make_message(method, header, frame.value))
            else:
                add_part(frame.value)
        elif kind is Header:
            header = frame
            is_small = frame.body_size <= SMALL_BODY and len(frame.payload) <= SMALL_PROPERTIES
            small_size = frame.body_size if is_small else -1
            if not frame.body_size:
                add_part(b"")
        elif kind is Deliver or kind is commands.Basic.Return:
            method = frame
        else:
            put_other(frame)

    def add_part(part: bytes) -> None:
        nonlocal parts
        parts = parts or _Parts(header, max_body)
        if parts.add(part):
            put(parts.message(make_message, method))
            parts = None

    return on_frame


class _Parts:
    """A body in parts, or its digest if it is too large."""

    def __init__(self, header: Header, max_body: int) -> None:
        self._header = header
        self._missing = header.body_size
        self._parts: list[bytes] = []
        self._digest = hashlib.sha256() if header.body_size > max_body else None

    def add(self, part: bytes) -> bool:
        """Add a part, and return True if the body is complete."""
        self._missing -= len(part)
        if self._digest is None:
            self._parts.append(part)
        else:
            self._digest.update(part)
        return not self._missing

    def message(self, make_message: MakeMessage, method: Any) -> LargeMessage:
        header, body = self._header, b"".join(self._parts)
        dropped = DroppedBody(header.body_size, self._digest.hexdigest()) if self._digest else None
        weight = len(body) + _DECODED_PROPERTIES * len(header.payload)
        return LargeMessage(make_message(method, header, body, dropped), weight)
