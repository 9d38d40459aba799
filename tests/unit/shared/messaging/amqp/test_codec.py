"""The codec's frames, compared with the frames of pamqp."""

import struct
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pamqp import commands, frame
from pamqp.body import ContentBody
from pamqp.header import ContentHeader
from pamqp.heartbeat import Heartbeat

from shared.events import MAX_BODY
from shared.messaging.amqp.assembly import LargeMessage, message_assembler
from shared.messaging.amqp.codec import SMALL_BODY, encode_content, encode_publish, split_frames
from shared.messaging.amqp.properties import encode_properties
from shared.messaging.amqp.subscription import make_delivery
from shared.messaging.messages import Delivery
from tests.event_factories import property_test

EXCHANGES = st.text("abc._-", max_size=60)
# Not empty, because pamqp omits empty properties.
SHORT = st.text(min_size=1, max_size=60)
# pamqp cuts the names of headers at 128 bytes; a character has up to 4.
HEADER_NAMES = st.text(min_size=1, max_size=32)
PROPERTIES = st.fixed_dictionaries(
    {},
    optional={
        "content_type": SHORT,
        "content_encoding": SHORT,
        "headers": st.dictionaries(HEADER_NAMES, st.integers(-(2**31), 2**31 - 1) | SHORT, min_size=1, max_size=3),
        "delivery_mode": st.sampled_from([1, 2]),
        "priority": st.integers(1, 255),
        "correlation_id": SHORT,
        "reply_to": SHORT,
        "expiration": SHORT,
        "message_id": SHORT,
        "timestamp": st.integers(0, 2**32 - 1).map(lambda seconds: datetime.fromtimestamp(seconds, UTC)),
        "type": SHORT,
        "user_id": SHORT,
        "app_id": SHORT,
    },
)


def pamqp_properties(properties: dict[str, Any]) -> commands.Basic.Properties:
    renamed = {("message_type" if name == "type" else name): value for name, value in properties.items()}
    return commands.Basic.Properties(**renamed)


def parts(deliver: commands.Basic.Deliver, properties: dict[str, Any], body: bytes) -> list[Any]:
    return [deliver, ContentHeader(body_size=len(body), properties=pamqp_properties(properties)), ContentBody(body)]


def content(channel_id: int, deliver: commands.Basic.Deliver, properties: dict[str, Any], body: bytes) -> bytes:
    return b"".join(frame.marshal(each, channel_id) for each in parts(deliver, properties, body))


def deliveries(found: Iterable[tuple[int, int, Any]]) -> list[Delivery]:
    """Return the deliveries of these frames."""
    whole: list[Delivery] = []

    def put(item: Any) -> None:
        whole.append(item.message if isinstance(item, LargeMessage) else item)

    on_frame = message_assembler(make_delivery, MAX_BODY, put, lambda frame: pytest.fail(f"unexpected: {frame}"))
    for _, _, each in found:
        on_frame(each)
    return whole


@property_test
@given(exchange=EXCHANGES, key=SHORT, mandatory=st.booleans(), properties=PROPERTIES, body=st.binary(max_size=300))
def test_a_publish_is_encoded_as_pamqp_encodes_it(
    exchange: str, key: str, mandatory: bool, properties: dict[str, Any], body: bytes
) -> None:
    publish = commands.Basic.Publish(exchange=exchange, routing_key=key, mandatory=mandatory)
    header = ContentHeader(body_size=len(body), properties=pamqp_properties(properties))
    parts = [ContentBody(body[start : start + 92]) for start in range(0, len(body), 92)]
    expected = b"".join(frame.marshal(each, 7) for each in (publish, header, *parts))
    method = encode_publish(exchange, key, mandatory=mandatory)
    assert encode_content(7, method, encode_properties(properties, len(body)), body, 100) == expected


@property_test
@given(
    exchange=EXCHANGES,
    key=SHORT,
    tag=st.integers(0, 2**63 - 1),
    again=st.booleans(),
    properties=PROPERTIES,
    body=st.binary(min_size=1, max_size=300),
    cut=st.integers(0, 1000),
)
def test_a_delivery_from_pamqp_is_decoded_wherever_the_data_is_cut(
    exchange: str, key: str, tag: int, again: bool, properties: dict[str, Any], body: bytes, cut: int
) -> None:
    deliver = commands.Basic.Deliver("consumer", tag, again, exchange, key)
    data = content(7, deliver, properties, body) + frame.marshal(Heartbeat(), 0)
    first = list(split_frames(data[:cut]))
    rest = data[first[-1][0] if first else 0 :]
    *found, heartbeat = first + list(split_frames(rest))
    assert heartbeat[1] == 0
    assert isinstance(heartbeat[2], Heartbeat)
    assert {channel_id for _, channel_id, _ in found} == {7}
    [delivery] = deliveries(found)
    kept = properties.keys() - {"priority", "correlation_id", "reply_to", "expiration", "user_id"}
    expected = {name: properties[name] for name in kept}
    assert delivery == Delivery(tag, exchange, key, body, expected, again)


def test_the_frames_of_a_small_delivery_are_taken_together_and_those_of_two_channels_apart() -> None:
    deliver = commands.Basic.Deliver("consumer", 1, False, "market_data", "stock.X.price")
    whole = content(7, deliver, {"message_id": "1"}, b"body")
    [(end, channel_id, delivery)] = split_frames(whole)
    assert (end, channel_id, delivery.body) == (len(whole), 7, b"body")
    method, *others = [frame.marshal(each, 7) for each in parts(deliver, {}, b"body")]
    mixed = method + frame.marshal(Heartbeat(), 0) + b"".join(others)
    assert [channel_id for _, channel_id, _ in split_frames(mixed)] == [7, 0, 7, 7]
    wrong = method + b"".join(frame.marshal(each, 8) for each in parts(deliver, {}, b"body")[1:])
    assert [channel_id for _, channel_id, _ in split_frames(wrong)] == [7, 8, 8]


@pytest.mark.parametrize("size", [2048, 2049])
@pytest.mark.parametrize("length", [255, 600])
def test_a_delivery_of_any_size_is_assembled(size: int, length: int) -> None:
    deliver = commands.Basic.Deliver("consumer", 1, False, "market_data", "stock.X.price")
    properties = {"headers": dict.fromkeys("abc", "x" * (length // 3))}
    found = list(split_frames(content(7, deliver, properties, b"x" * size)))
    assert len(found) == (1 if size <= SMALL_BODY and length == 255 else 3)
    [delivery] = deliveries(found)
    assert (delivery.body, delivery.properties) == (b"x" * size, properties)


@pytest.mark.parametrize("part", [0, 1, 2])
def test_a_delivery_with_a_wrong_end_of_a_frame_is_rejected(part: int) -> None:
    deliver = commands.Basic.Deliver("consumer", 1, False, "market_data", "stock.X.price")
    frames = [frame.marshal(each, 7) for each in parts(deliver, {}, b"body")]
    frames[part] = frames[part][:-1] + b"\0"
    with pytest.raises(ValueError, match="the end marker is missing"):
        list(split_frames(b"".join(frames)))


@pytest.mark.parametrize("multiple", [True, False])
def test_an_acknowledgement_from_pamqp_is_decoded(multiple: bool) -> None:
    [(_, channel_id, ack)] = split_frames(frame.marshal(commands.Basic.Ack(2**40, multiple), 3))
    assert (channel_id, ack.name, ack.delivery_tag, ack.multiple) == (3, "Basic.Ack", 2**40, multiple)
    assert dict(ack) == {"delivery_tag": 2**40, "multiple": multiple}


def test_a_routing_key_that_is_not_utf_8_is_decoded_with_replacement_characters() -> None:
    data = frame.marshal(commands.Basic.Deliver("c", 1, False, "market_data", "stock.X.price"), 1)
    [(_, _, deliver)] = split_frames(data.replace(b"stock.X", b"stock.\xff"))
    assert deliver.routing_key == "stock.\N{REPLACEMENT CHARACTER}.price"


def test_properties_that_cannot_be_decoded_are_empty() -> None:
    payload = struct.pack(">HHQH", 60, 0, 5, 1 << 13) + b"\x00\x00\x00\x05nonsense"
    [(_, _, header)] = split_frames(struct.pack(">BHI", 2, 1, len(payload)) + payload + b"\xce")
    assert header.body_size == 5
    assert header.properties == {}


@pytest.mark.parametrize(
    "data",
    [
        struct.pack(">BHI", 1, 1, 4) + struct.pack(">HH", 60, 99) + b"\xce",
        struct.pack(">BHI", 1, 1, 4) + struct.pack(">HH", 60, 60) + b"\xce",
        struct.pack(">BHI", 2, 1, 2) + b"\0\0" + b"\xce",
        struct.pack(">BHI", 9, 1, 0) + b"\xce",
        struct.pack(">BHI", 3, 1, 2) + b"ab" + b"\xcf",
    ],
    ids=["unknown method", "delivery cut short", "header cut short", "unknown kind", "no end"],
)
def test_a_malformed_frame_is_rejected(data: bytes) -> None:
    with pytest.raises(ValueError, match="undecodable frame"):
        list(split_frames(data + b"\0" * 20))


@pytest.mark.parametrize("properties", [{"message_id": "x" * 256}, {"delivery_mode": 256}, {"unheard_of": 1}])
def test_a_property_that_amqp_cannot_hold_is_rejected(properties: dict[str, Any]) -> None:
    with pytest.raises((ValueError, OverflowError)):
        encode_properties(properties, 0)
