"""The filter in front of py-amqp: frames that it can read pass unchanged, all others are made harmless."""

import struct
from types import SimpleNamespace
from typing import Any

import amqp
import pytest
from amqp import spec
from amqp.serialization import dumps

from producer.task_queue.frames import MAX_BODY, readable_header, readable_method, safe_frame_handler

BASIC = 60


def method(routing_key: bytes = b"celery.sync") -> bytes:
    start = struct.pack(">HH", *spec.Basic.Deliver) + dumps("sLbs", ["tag", 7, False, "exchange"])
    return start + bytes([len(routing_key)]) + routing_key


def header(size: int, properties: bytes) -> bytes:
    return struct.pack(">HxxQ", BASIC, size) + properties


def properties(**found: Any) -> bytes:
    written: bytes = amqp.Message(**found)._serialize_properties()
    return written


def deliver(*frames: tuple[int, bytes]) -> list[Any]:
    """Return the messages that py-amqp makes of these frames on one channel."""
    found: list[Any] = []
    connection = SimpleNamespace(bytes_recv=0)
    on_frame = safe_frame_handler(connection, lambda _channel, _method, _arguments, content: found.append(content))
    for kind, payload in frames:
        on_frame((kind, 1, payload))
    return found


def test_a_readable_message_is_unchanged() -> None:
    [found] = deliver((1, method()), (2, header(4, properties(content_type="a/b", priority=3))), (3, b"body"))
    assert (found.body, found.properties) == (b"body", {"content_type": "a/b", "priority": 3})


@pytest.mark.parametrize(
    "unreadable",
    [
        struct.pack(">HI", 0x2000, 11) + b"\x01tT" + b"\xff" * 8,
        struct.pack(">HI", 0x2000, 4) + b"\x01tQ\0",
        struct.pack(">H", 0x8000) + b"\x02\xff\xfe",
        struct.pack(">H", 0x0080) + b"\x02\xff\xfe",
        b"",
    ],
    ids=["year", "type", "content type", "message id", "nothing"],
)
def test_properties_that_cannot_be_read_are_removed(unreadable: bytes) -> None:
    frames = (1, method()), (2, header(4, unreadable)), (3, b"body")
    [found, good] = deliver(*frames, (1, method()), (2, header(2, properties(priority=1))), (3, b"ok"))
    assert (found.properties, found.body) == ({}, b"body")
    assert (good.properties, good.body) == ({"priority": 1}, b"ok")


def test_a_deeply_nested_header_is_removed() -> None:
    table = b""
    for _ in range(5000):
        table = b"\x01tF" + struct.pack(">I", len(table)) + table
    assert readable_header(header(0, struct.pack(">HI", 0x2000, len(table)) + table)) == header(0, b"\0\0")


def test_a_compressed_body_loses_its_properties_so_that_nothing_decompresses_it() -> None:
    compressed = properties(content_type="application/json", application_headers={"compression": "application/x-gzip"})
    assert readable_header(header(9, compressed)) == header(9, b"\0\0")


def test_a_large_body_is_skipped_and_the_next_message_is_whole() -> None:
    size = MAX_BODY + 10
    chunks = [(3, b"x" * (size - 5)), (3, b"x" * 5)]
    frames = (1, method()), (2, header(size, properties(priority=2))), *chunks
    large, good = deliver(*frames, (1, method()), (2, header(2, properties(priority=1))), (3, b"ok"))
    assert (large.properties, large.body) == ({}, "")
    assert (good.properties, good.body) == ({"priority": 1}, b"ok")


def test_a_routing_key_that_is_not_text_is_removed() -> None:
    assert readable_method(method()) == method()
    assert readable_method(method(b"\xff\xfe"))[4:].endswith(b"\0\0")
    other = struct.pack(">HH", *spec.Channel.Close) + b"\xff\xff"
    assert readable_method(other) == other
