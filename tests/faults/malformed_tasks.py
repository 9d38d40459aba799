"""Messages that a stranger may put into the task queue, each of them malformed in another way."""

import json
import pickle
import struct
import uuid
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import amqp

from producer.celery_app import QUEUE
from shared.messaging.address import BrokerAddress
from tests.faults.sync_load import SYMBOLS

# The flags of properties in a content header: https://www.rabbitmq.com/resources/specs/amqp0-9-1.pdf, section 4.2.6.1.
CONTENT_TYPE, HEADERS, MESSAGE_ID = 0x8000, 0x2000, 0x0080
TIMES = ["soon", 5, ["x"], "9999-12-31T23:59:59Z", "0001-01-01T00:00:00+00:00", "2026-01-01", "", {"a": 1}, True]
NOTHING = object()
NO_FURTHER_TASKS = {"callbacks": None, "errbacks": None, "chain": None, "chord": None}


@dataclass(frozen=True)
class Task:
    """A message; `raw` are the bytes of its properties, in place of `headers` and `properties`.

    Without `body` it has the arguments of a sync of one symbol.
    """

    headers: Mapping[str, Any] = field(default_factory=dict)
    body: Any = None
    properties: Mapping[str, Any] = field(default_factory=dict)
    raw: bytes | None = None
    routing_key: bytes = QUEUE.encode()

    def message(self, at: str) -> "_RawMessage":
        valid = {"lang": "py", "task": "producer.sync", "id": str(uuid.uuid4()), "retries": 0}
        headers = {name: value for name, value in {**valid, **self.headers}.items() if value is not NOTHING}
        properties = {"content_type": "application/json", "content_encoding": "utf-8", **self.properties}
        content = ((), {"at": at, "symbols": [SYMBOLS[0]]}, NO_FURTHER_TASKS) if self.body is None else self.body
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        message = _RawMessage(body, application_headers=headers, **properties)
        message.raw = self.raw
        return message


class _RawMessage(amqp.Message):
    raw: bytes | None = None

    def _serialize_properties(self) -> bytes:
        return super()._serialize_properties() if self.raw is None else self.raw


def publish(address: BrokerAddress, task: Task, at: str) -> bool:
    """Publish a message for a sync as of `at`, and return False if RabbitMQ itself refuses it."""
    options = {"userid": address.username, "password": address.password, "virtual_host": address.virtual_host}
    with amqp.Connection(f"{address.host}:{address.port}", confirm_publish=True, **options) as connection:
        try:
            connection.channel().basic_publish(task.message(at), routing_key=task.routing_key)
        except (amqp.exceptions.AMQPError, OSError):
            return False
    return True


def malformed_tasks(marker: Path) -> Iterator[Task]:
    """Return all of them; one would create the file `marker` if it was unpickled."""
    yield from map(Task, malformed_headers())
    yield from (Task(body=body) for body in malformed_bodies())
    yield from unwanted_contents(marker)
    yield from unreadable_properties()


def malformed_headers() -> Iterator[dict[str, Any]]:
    for limit in (["x", "y"], ["x"], [1, 2, 3], "xy", 5, {"a": 1}, [-1, -1], [[], []], [True, 1e308]):
        yield {"timelimit": limit}
    for name in ("eta", "expires"):
        yield from ({name: time} for time in TIMES)
    yield from ({"retries": value} for value in ("x", -1, 2**62, 1.5, [1], {"a": 1}, True))
    yield from ({"id": value} for value in (NOTHING, 5, [], {"a": 1}, "", "x" * 10_000, "\x1b]0;x\x07\n", "ä"))
    yield from ({"task": value} for value in (NOTHING, "celery.ping", "os.system", 5, [], {"a": 1}, "\n"))
    for name in ("group", "root_id", "parent_id", "shadow", "argsrepr", "kwargsrepr", "origin", "meth", "lang"):
        yield from ({name: value} for value in (5, ["x"], {"a": {"b": [1]}}, "\x1b[2J\n"))
    for name in ("ignore_result", "replaced_task_nesting", "stamped_headers", "stamps", "groups", "group_index"):
        yield from ({name: value} for value in ("x", 5, ["x"], {"a": 1}))
    yield {"stamped_headers": ["id"], "stamps": {"id": [5]}}
    yield {f"x-{number}": number for number in range(1000)}


def malformed_bodies() -> Iterator[Any]:
    yield from (b"", b"null", b"5", b"[]", b"{}", b"[[], {}]", b'"text"', b"\xff\xfe", b"[" * 50_000, b"[[], {}, NaN]")
    yield {"task": "producer.sync", "id": "of protocol 1", "args": [], "kwargs": {}}
    for arguments in ([1], {"unknown": 1}, {"at": 5}, {"at": "soon"}, {"at": "9999-12-31T23:59:59Z"}, "x", None):
        yield ((), arguments, None)
    for arguments in ({"symbols": "AAPL"}, {"symbols": [5]}, {"symbols": ["aapl\n"]}, {"so_far": []}):
        yield ((), arguments, None)
    for arguments in ({"so_far": {"published": "x"}}, {"until": "9999-12-31T23:59:59Z"}, {"until": 9}):
        yield ((), arguments, None)
    yield (("2026-01-01T00:00:00Z",), {}, None)
    yield ((), {"symbols": ["A" * 2**22]}, None)
    yield ((), {"symbols": ["A" * 2**24]}, None)
    link = {"task": "producer.sync", "args": [], "kwargs": {}, "options": {}}
    for name in ("callbacks", "errbacks", "chain", "chord"):
        yield from (((), {}, {name: value}) for value in ("x", 5, [link], link))
    yield ((), {}, "x")


def unwanted_contents(marker: Path) -> Iterator[Task]:
    attack = pickle.dumps(_Touch(marker))
    for content_type in ("application/x-python-serialize", "application/x-pickle", "pickle", "application/json"):
        yield Task(body=attack, properties={"content_type": content_type, "content_encoding": "binary"})
    yaml = f"!!python/object/apply:pathlib.Path.touch [{str(marker)!r}]".encode()
    yield Task(body=yaml, properties={"content_type": "application/x-yaml"})
    for encoding in ("base64", "zlib", "rot13", "no such encoding", "utf-16", "\x1b[2J"):
        yield Task(properties={"content_encoding": encoding})
    yield Task(properties={"reply_to": "x" * 255, "correlation_id": "\n", "priority": 255, "expiration": "60000"})
    bomb = zlib.compress(b"0" * 2**27, 9)
    for compression in ("application/x-gzip", "zlib", "application/x-bz2", "none of these", 5):
        yield Task({"compression": compression}, bomb)


def unreadable_properties() -> Iterator[Task]:
    def headers(table: bytes) -> bytes:
        return struct.pack(">HI", HEADERS, len(table)) + table

    # A time in the year 292277026596, text that is not UTF-8, an unknown type, a length beyond the end, deep nesting.
    yield Task(raw=headers(b"\x01tT" + b"\xff" * 8))
    yield Task(raw=headers(b"\x02\xff\xfeS\0\0\0\x02\xff\xfe"))
    yield Task(raw=headers(b"\x01tQ\0"))
    yield Task(raw=headers(b"\x01tS\xff\xff\xff\xff"))
    yield Task(raw=headers(_nested(2000)))
    yield Task(raw=struct.pack(">H", CONTENT_TYPE) + b"\x02\xff\xfe")
    yield Task(raw=struct.pack(">H", MESSAGE_ID) + b"\x02\xff\xfe")
    yield Task(raw=struct.pack(">H", CONTENT_TYPE) + b"\xff")
    # The routing key of a delivery is the one that its publisher gave; CC names further ones.
    yield Task({"CC": [QUEUE]}, routing_key=b"\xff\xfe")


def _nested(depth: int) -> bytes:
    """Return a header whose value is a table within tables."""
    table = b""
    for _ in range(depth):
        table = b"\x01tF" + struct.pack(">I", len(table)) + table
    return table


class _Touch:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, tuple[Path]]:
        return Path.touch, (self.path,)
