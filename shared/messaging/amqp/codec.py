"""Encoding and decoding of AMQP frames.

The frames of every message are encoded and decoded here, all other frames by pamqp. For a message, pamqp takes about
eight times as long, because it builds an object with every property for each frame.
Source: https://www.rabbitmq.com/resources/specs/amqp0-9-1.pdf, sections 2.3.5 and 4.2
"""

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar

from pamqp import frame as pamqp_frame

from shared.messaging.amqp.properties import UNDECODABLE, Properties, encode_name
from shared.messaging.messages import Delivery

_FRAME = struct.Struct(">BHI")  # type, channel, payload size
_ACK_FRAME = struct.Struct(">BHIHHQBB")
_HEADER_FRAME = struct.Struct(">BHIHHQ")  # a frame's start, then class, weight, body size
_TAG = struct.Struct(">QB")  # delivery tag, redelivered
_LONG_LONG = struct.Struct(">Q")
_METHOD, _HEADER, _BODY = 1, 2, 3
_END = b"\xce"
_OVERHEAD = _FRAME.size + len(_END)
_BASIC_PUBLISH = struct.pack(">HHH", 60, 40, 0)
_BASIC_DELIVER = struct.pack(">HH", 60, 60)
_BASIC_ACK = struct.pack(">HH", 60, 80)
# Bytes. Messages up to both sizes are not counted, because the prefetch limits their number.
SMALL_BODY = 2048
SMALL_PROPERTIES = 512
_MIN_HEADER = 14
# Pairs of exchange and routing key that are kept decoded, because most messages have one of a few.
_NAMES = 4096


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
        """Yield the fields, because amqpstorm logs an unexpected frame as a dictionary."""
        yield from (("delivery_tag", self.delivery_tag), ("multiple", self.multiple))


@dataclass(slots=True)
class Header:
    name: ClassVar[str] = "ContentHeader"
    body_size: int
    payload: bytes

    @property
    def properties(self) -> Properties:
        return Properties(self.payload)


@dataclass(slots=True)
class Body:
    name: ClassVar[str] = "ContentBody"
    value: bytes


def split_frames(data: bytes) -> Iterator[tuple[int, int, Any]]:
    """Yield every whole frame in `data` as (offset of its end, channel, frame). Raises ValueError for malformed data.

    A small message whose three frames are all in `data` is yielded as one Delivery. Most messages are such ones, and
    the steps between their frames would take as long as decoding them.

    amqpstorm's own splitter treats an undecodable frame as an incomplete frame, and waits forever for the rest.
    """
    start, size = 0, len(data)
    while size - start > _FRAME.size:
        kind, channel_id, length = _FRAME.unpack_from(data, start)
        end = start + length + _OVERHEAD
        if end > size:
            return
        try:
            small = _decode_small_delivery(kind, channel_id, data, start, end)
            end, frame = small or (end, _decode(kind, data, start, end))
        except UNDECODABLE as error:
            raise ValueError(f"undecodable frame: {error}") from error
        yield end, channel_id, frame
        start = end


def encode_publish(exchange: str, routing_key: str, *, mandatory: bool) -> bytes:
    """Return the payload of a Basic.Publish. Raises OverflowError for a name of more than 255 bytes."""
    flags = b"\1" if mandatory else b"\0"
    return b"".join((_BASIC_PUBLISH, encode_name(exchange), encode_name(routing_key), flags))


def encode_acks(channel_id: int, delivery_tags: Iterable[int]) -> bytes:
    """Return one frame per delivery that acknowledges this delivery alone."""
    return b"".join(_ACK_FRAME.pack(_METHOD, channel_id, 13, 60, 80, tag, 0, _END[0]) for tag in delivery_tags)


def encode_content(channel_id: int, method: bytes, header: bytes, body: bytes, max_frame: int) -> bytes:
    """Return the frames of a method that carries content, each at most `max_frame` bytes long."""
    frames = [_FRAME.pack(_METHOD, channel_id, len(method)), method, _END]
    frames += (_FRAME.pack(_HEADER, channel_id, len(header)), header, _END)
    max_payload = max_frame - _OVERHEAD
    for start in range(0, len(body), max_payload):
        part = body[start : start + max_payload]
        frames += (_FRAME.pack(_BODY, channel_id, len(part)), part, _END)
    return b"".join(frames)


def _decode_small_delivery(kind: int, channel: int, data: bytes, start: int, end: int) -> tuple[int, Delivery] | None:
    """Return the delivery and the end of its body's frame, or None if a part is large, missing, or of another kind."""
    method = start + _FRAME.size
    if kind != _METHOD or data[method : method + 4] != _BASIC_DELIVER or len(data) - end < _HEADER_FRAME.size:
        return None
    kind, header_channel, length, _, _, body_size = _HEADER_FRAME.unpack_from(data, end)
    header, body_frame = end + _FRAME.size, end + length + _OVERHEAD
    body = body_frame + _FRAME.size
    after = body + body_size + 1
    if (
        (kind, header_channel) != (_HEADER, channel)
        or not (_MIN_HEADER <= length <= SMALL_PROPERTIES and 0 < body_size <= SMALL_BODY)
        or after > len(data)
        or _FRAME.unpack_from(data, body_frame) != (_BODY, channel, body_size)
        or not data[end - 1] == data[body_frame - 1] == data[after - 1] == _END[0]
    ):
        return None
    tag, redelivered, exchange, key = _deliver_fields(data, method + 4, end - 1)
    properties = Properties(data[header : body_frame - 1])
    return after, Delivery(tag, exchange, key, data[body : after - 1], properties, redelivered)


def _decode(kind: int, data: bytes, start: int, end: int) -> Any:
    if data[end - 1] != _END[0]:
        raise ValueError("the end marker is missing")
    payload = start + _FRAME.size
    if kind == _BODY:
        return Body(data[payload : end - 1])
    if kind == _HEADER:
        (body_size,) = _LONG_LONG.unpack_from(data, payload + 4)
        return Header(body_size, data[payload : end - 1])
    method = data[payload : payload + 4]
    if kind == _METHOD and method == _BASIC_DELIVER:
        return Deliver(*_deliver_fields(data, payload + 4, end - 1))
    if kind == _METHOD and method == _BASIC_ACK:
        (tag,) = _LONG_LONG.unpack_from(data, payload + 4)
        return Ack(tag, bool(data[payload + 12] & 1))
    return pamqp_frame.unmarshal(data[start:end])[2]


def _deliver_fields(data: bytes, start: int, end: int) -> tuple[int, bool, str, str]:
    """Return the delivery tag, whether the message was delivered before, its exchange and its routing key."""
    at = start + 1 + data[start]  # after the consumer tag
    tag, redelivered = _TAG.unpack_from(data, at)
    exchange, key = _decode_names(data[at + _TAG.size : end])
    return tag, redelivered & 1 == 1, exchange, key


@lru_cache(_NAMES)
def _decode_names(names: bytes) -> tuple[str, str]:
    """Return the exchange and the routing key. Those that are not UTF-8 must not end the connection."""
    key = 1 + names[0]
    exchange, routing_key = names[1:key], names[key + 1 : key + 1 + names[key]]
    return exchange.decode(errors="replace"), routing_key.decode(errors="replace")
