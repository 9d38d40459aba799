"""AMQP's frames taken apart and put together: by hand those that every message takes, by pamqp all the others.

pamqp makes an object with every property for each of them, and takes about eight times as long for a message.
Source: https://www.rabbitmq.com/resources/specs/amqp0-9-1.pdf, sections 2.3.5 and 4.2
"""

import struct
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar

from pamqp import encode
from pamqp import exceptions as pamqp_exceptions
from pamqp import frame as pamqp_frame
from pamqp.header import ContentHeader

_FRAME = struct.Struct(">BHI")
_LONG_LONG = struct.Struct(">Q")
_CONTENT = struct.Struct(">HHQH")
_METHOD, _HEADER, _BODY = 1, 2, 3
_END = b"\xce"
_OVERHEAD = _FRAME.size + len(_END)
_BASIC = 60
_BASIC_PUBLISH = struct.pack(">HHH", _BASIC, 40, 0)
_BASIC_DELIVER = struct.pack(">HH", _BASIC, 60)
_BASIC_ACK = struct.pack(">HH", _BASIC, 80)
_UNDECODABLE = (pamqp_exceptions.PAMQPException, ValueError, struct.error, LookupError, RecursionError, OverflowError)


@dataclass(slots=True)
class Deliver:
    name: ClassVar[str] = "Basic.Deliver"
    delivery_tag: int
    redelivered: bool
    exchange: str
    routing_key: str


@dataclass(slots=True)
class Ack:
    name: ClassVar[str] = "Basic.Ack"
    delivery_tag: int
    multiple: bool

    def __iter__(self) -> Iterator[tuple[str, Any]]:
        """For amqpstorm, which shows what it has no use for as a dictionary, in its log."""
        yield from (("delivery_tag", self.delivery_tag), ("multiple", self.multiple))


@dataclass(slots=True)
class Header:
    name: ClassVar[str] = "ContentHeader"
    body_size: int
    payload: bytes

    @property
    def properties(self) -> "Properties":
        return Properties(self.payload)


@dataclass(slots=True)
class Body:
    name: ClassVar[str] = "ContentBody"
    value: bytes


class Properties(Mapping[str, Any]):
    """The properties of a message by their names in the specification, those that are set and mean something to us.

    Nothing is decoded before somebody looks. Properties that cannot be decoded are none: what their message is for can
    still be told from its body.
    """

    __slots__ = ("_found", "_payload")

    def __init__(self, payload: bytes) -> None:
        self._payload = payload
        self._found: dict[str, Any] | None = None

    def __getitem__(self, name: str) -> Any:
        return self._decoded()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._decoded())

    def __len__(self) -> int:
        return len(self._decoded())

    def _decoded(self) -> dict[str, Any]:
        if self._found is None:
            header = ContentHeader()
            try:
                header.unmarshal(self._payload)
            except _UNDECODABLE:
                self._found = {}
            else:
                values = ((name, getattr(header.properties, theirs, None)) for name, theirs in _READ.items())
                self._found = {name: value for name, value in values if value is not None}
        return self._found


def split_frames(data: bytes) -> Iterator[tuple[int, int, Any]]:
    """Every whole frame in `data`, as (where it ends, channel, frame). Raises ValueError for what is no AMQP.

    amqpstorm's own takes a frame that cannot be decoded for one that is incomplete, and waits for ever.
    """
    start, size = 0, len(data)
    while size - start > _FRAME.size:
        kind, channel_id, length = _FRAME.unpack_from(data, start)
        end = start + length + _OVERHEAD
        if end > size:
            return
        try:
            frame = _decode(kind, data, start, end)
        except _UNDECODABLE as error:
            raise ValueError(f"undecodable frame: {error}") from error
        yield end, channel_id, frame
        start = end


def encode_method(exchange: str, routing_key: str, *, mandatory: bool) -> bytes:
    """The payload of a Basic.Publish. Raises OverflowError for a name of more than 255 bytes."""
    flags = b"\1" if mandatory else b"\0"
    return b"".join((_BASIC_PUBLISH, _name(exchange), _name(routing_key), flags))


def encode_content(channel_id: int, method: bytes, header: bytes, body: bytes, max_frame: int) -> bytes:
    """A method that carries content, as the frames it takes, none of them longer than `max_frame` bytes."""
    frames = [_FRAME.pack(_METHOD, channel_id, len(method)), method, _END]
    frames += (_FRAME.pack(_HEADER, channel_id, len(header)), header, _END)
    room = max_frame - _OVERHEAD
    for start in range(0, len(body), room):
        part = body[start : start + room]
        frames += (_FRAME.pack(_BODY, channel_id, len(part)), part, _END)
    return b"".join(frames)


def encode_properties(properties: Mapping[str, Any], body_size: int) -> bytes:
    """The payload of a content header. Raises what Python does for a value that AMQP has no room for."""
    flags = 0
    values = [b""]
    for name, bit, encoded in _ENCODERS:
        value = properties.get(name)
        if value is not None:
            flags |= bit
            values.append(encoded(value))
    if len(values) <= len(properties):
        raise ValueError(f"properties {', '.join(properties)}: not all of them are set and known to AMQP")
    values[0] = _CONTENT.pack(_BASIC, 0, body_size, flags)
    return b"".join(values)


def _decode(kind: int, data: bytes, start: int, end: int) -> Any:
    if data[end - 1] != _END[0]:
        raise ValueError("it does not end where it says")
    payload = start + _FRAME.size
    if kind == _BODY:
        return Body(data[payload : end - 1])
    if kind == _HEADER:
        (body_size,) = _LONG_LONG.unpack_from(data, payload + 4)
        return Header(body_size, data[payload : end - 1])
    method = data[payload : payload + 4]
    if kind == _METHOD and method == _BASIC_DELIVER:
        return _decode_deliver(data, payload + 4)
    if kind == _METHOD and method == _BASIC_ACK:
        (tag,) = _LONG_LONG.unpack_from(data, payload + 4)
        return Ack(tag, bool(data[payload + 12] & 1))
    return pamqp_frame.unmarshal(data[start:end])[2]


def _decode_deliver(data: bytes, start: int) -> Deliver:
    at = start + 1 + data[start]  # behind the consumer's tag
    (tag,) = _LONG_LONG.unpack_from(data, at)
    exchange = at + 10
    key = exchange + data[exchange - 1] + 1
    # RabbitMQ takes routing keys that are no UTF-8; they must not cost us the connection.
    return Deliver(
        tag,
        bool(data[at + 8] & 1),
        data[exchange : key - 1].decode(errors="replace"),
        data[key : key + data[key - 1]].decode(errors="replace"),
    )


def _short(text: str) -> bytes:
    encoded = text.encode()
    return _octet(len(encoded)) + encoded


def _octet(number: int) -> bytes:
    return number.to_bytes(1, "big")


# Names come again with every message.
_name = lru_cache(maxsize=4096)(_short)


# By the name in the specification: the bit that says it is there, and how it is written; in the order they travel.
_ENCODERS: tuple[tuple[str, int, Callable[[Any], bytes]], ...] = (
    ("content_type", 1 << 15, _name),
    ("content_encoding", 1 << 14, _name),
    ("headers", 1 << 13, encode.field_table),
    ("delivery_mode", 1 << 12, _octet),
    ("priority", 1 << 11, _octet),
    ("correlation_id", 1 << 10, _short),
    ("reply_to", 1 << 9, _short),
    ("expiration", 1 << 8, _short),
    ("message_id", 1 << 7, _short),
    ("timestamp", 1 << 6, encode.timestamp),
    ("type", 1 << 5, _name),
    ("user_id", 1 << 4, _short),
    ("app_id", 1 << 3, _name),
    ("cluster_id", 1 << 2, _short),
)
# Those that mean something to whoever receives a message, by pamqp's name for each.
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
