"""Encoding and decoding of a message's properties in its content header.

Source: https://www.rabbitmq.com/resources/specs/amqp0-9-1.pdf, section 4.2.6
"""

import struct
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import Any

from pamqp import encode
from pamqp import exceptions as pamqp_exceptions
from pamqp.header import ContentHeader

# The errors that pamqp raises for malformed data.
UNDECODABLE = (pamqp_exceptions.PAMQPException, ValueError, struct.error, LookupError, RecursionError, OverflowError)
_UNENCODABLE = (TypeError, ValueError, OverflowError, RecursionError, struct.error)

_CONTENT_HEADER = struct.Struct(">HHQH")
_BASIC_CLASS = 60
# Bytes. All headers must fit into one frame (128 KiB by default), together with the headers of a dead letter. Far less,
# because the limits of a dead letter queue do not count headers.
_MAX_HEADERS = 8 * 1024
# Levels of recursion to spare, because the publisher encodes the headers deeper in the stack than `encodable_headers`.
_SPARE_DEPTH = 20


class Properties(Mapping[str, Any]):
    """A received message's properties by their names in the specification. Holds only the names in _READ.

    The properties are decoded on first access. If they cannot be decoded, they are empty, because the body may still be
    valid.
    """

    __slots__ = ("_decoded", "_payload")

    def __init__(self, payload: bytes) -> None:
        self._payload = payload
        self._decoded: dict[str, Any] | None = None

    def __getitem__(self, name: str) -> Any:
        return self._decode()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._decode())

    def __len__(self) -> int:
        return len(self._decode())

    def _decode(self) -> dict[str, Any]:
        if self._decoded is None:
            header = ContentHeader()
            try:
                header.unmarshal(self._payload)
            except UNDECODABLE:
                self._decoded = {}
            else:
                values = ((name, getattr(header.properties, field, None)) for name, field in _READ.items())
                self._decoded = {name: value for name, value in values if value is not None}
        return self._decoded


def encode_properties(properties: Mapping[str, Any], body_size: int) -> bytes:
    """Return the payload of a content header.

    Raises ValueError for a property that is None or unknown to AMQP; OverflowError, TypeError or another error of the
    encoder for a value that AMQP cannot hold.
    """
    flags = 0
    values = [b""]
    for name, flag, encoded in _ENCODERS:
        value = properties.get(name)
        if value is not None:
            flags |= flag
            values.append(encoded(value))
    if len(values) <= len(properties):
        raise ValueError(f"one of the properties {', '.join(properties)} is None or unknown to AMQP")
    values[0] = _CONTENT_HEADER.pack(_BASIC_CLASS, 0, body_size, flags)
    return b"".join(values)


def encodable_headers(headers: Mapping[str, Any]) -> dict[str, Any]:
    """Return the headers that can be sent again, or an empty dictionary if together they are too large for a frame.

    pamqp decodes some types that it cannot encode, and tables that are nested too deeply to be encoded.
    """
    kept = {name: value for name, value in headers.items() if _is_encodable(name, value)}
    return kept if len(encode.field_table(kept)) <= _MAX_HEADERS else {}


def _is_encodable(name: str, value: Any) -> bool:
    nested = value
    for _ in range(_SPARE_DEPTH):
        nested = [nested]
    try:
        encode.field_table({name: nested})
    except _UNENCODABLE:
        return False
    return True


def _short_string(text: str) -> bytes:
    encoded = text.encode()
    return _octet(len(encoded)) + encoded


def _octet(number: int) -> bytes:
    return number.to_bytes(1, "big")


# Return a name of at most 255 bytes as AMQP's short string. Cached, because every message has the same names.
encode_name = lru_cache(maxsize=4096)(_short_string)


# Name in the specification, flag that marks the property as set, and encoder; in the order on the wire.
_ENCODERS: tuple[tuple[str, int, Callable[[Any], bytes]], ...] = (
    ("content_type", 1 << 15, encode_name),
    ("content_encoding", 1 << 14, encode_name),
    ("headers", 1 << 13, encode.field_table),
    ("delivery_mode", 1 << 12, _octet),
    ("priority", 1 << 11, _octet),
    ("correlation_id", 1 << 10, _short_string),
    ("reply_to", 1 << 9, _short_string),
    ("expiration", 1 << 8, _short_string),
    ("message_id", 1 << 7, _short_string),
    ("timestamp", 1 << 6, encode.timestamp),
    ("type", 1 << 5, encode_name),
    ("user_id", 1 << 4, _short_string),
    ("app_id", 1 << 3, encode_name),
    ("cluster_id", 1 << 2, _short_string),
)
# Name in the specification, and name in pamqp.
_READ = {
    "content_type": "content_type",
    "content_encoding": "content_encoding",
    "headers": "headers",
    "delivery_mode": "delivery_mode",
    "message_id": "message_id",
    "timestamp": "timestamp",
    "type": "message_type",
    "app_id": "app_id",
}
