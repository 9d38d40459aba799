"""Messages assembled from frames, whatever their size and however their bodies are cut."""

import hashlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pamqp import commands

from shared.messaging.amqp.assembly import LargeMessage, message_assembler
from shared.messaging.amqp.codec import Ack, Body, Deliver, Header
from shared.messaging.messages import DroppedBody
from tests.event_factories import property_test

MAX_BODY = 4000
PROPERTIES = b"p" * 100


def assemble(*frames: Any) -> list[Any]:
    """Return what the assembler puts; frames for amqpstorm come as ("other", frame)."""
    found: list[Any] = []

    def make_message(method: Any, header: Header, body: bytes, dropped: DroppedBody | None = None) -> Any:
        return method.delivery_tag, header.payload, body, dropped

    on_frame = message_assembler(make_message, MAX_BODY, found.append, lambda frame: found.append(("other", frame)))
    for frame in frames:
        on_frame(frame)
    return found


def frames_of(tag: int, body: bytes, cut: int, properties: bytes = PROPERTIES) -> list[Any]:
    parts = [Body(body[start : start + cut]) for start in range(0, len(body), cut)]
    return [Deliver(tag, False, "market_data", "stock.A.price"), Header(len(body), properties), *parts]


def message_in(item: Any) -> Any:
    return item.message if isinstance(item, LargeMessage) else item


@property_test
@given(sizes=st.lists(st.integers(0, 10_000), min_size=1, max_size=6), cut=st.integers(1, 10_000))
def test_bodies_arrive_whole_or_as_size_and_digest_however_they_are_cut(sizes: list[int], cut: int) -> None:
    bodies = [bytes([number]) * size for number, size in enumerate(sizes)]
    found = assemble(*(frame for tag, body in enumerate(bodies) for frame in frames_of(tag, body, cut)))
    expected = [
        (tag, PROPERTIES, b"", DroppedBody(len(body), hashlib.sha256(body).hexdigest()))
        if len(body) > MAX_BODY
        else (tag, PROPERTIES, body, None)
        for tag, body in enumerate(bodies)
    ]
    assert [message_in(item) for item in found] == expected


def test_a_small_message_does_not_count_and_a_large_message_counts_body_and_properties() -> None:
    [small, body, dropped, properties] = assemble(
        *frames_of(1, b"x" * 2000, 4000),
        *frames_of(2, b"x" * 4000, 4000),
        *frames_of(3, b"x" * 4001, 4000),
        *frames_of(4, b"x", 4000, b"p" * 1000),
    )
    assert not isinstance(small, LargeMessage)
    assert [body.weight, dropped.weight, properties.weight] == [4000 + 3200, 3200, 1 + 32_000]


@pytest.mark.parametrize("frame", [Ack(1, False), commands.Basic.Nack(1)])
def test_confirms_are_put_as_they_are(frame: Any) -> None:
    assert assemble(frame) == [frame]


def test_other_frames_are_passed_on() -> None:
    frame = commands.Channel.CloseOk()
    assert assemble(frame) == [("other", frame)]
