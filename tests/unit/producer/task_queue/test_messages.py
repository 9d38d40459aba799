"""The check of a task message: a sync passes with what a sync has, and everything else is refused with its reason."""

import json
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from producer.task_queue.messages import InvalidTask, rebuild
from shared.times import format_instant
from tests.event_factories import NOW

ID = "c1d37c4e-93c5-4a2d-a7de-0f39ab13f5c5"
SO_FAR = {"at": "2024-11-20T10:00:00Z", "provider": "yahoo", "published": 2, "failed": {"AAPL": "no price"}}
ARGUMENTS = {"at": "2024-11-20T10:00:00Z", "symbols": ["AAPL", "BRK.B"], "so_far": SO_FAR, "until": None}


def message(headers: dict[str, Any] | None = None, arguments: Any = None, **others: Any) -> Any:
    """Return a message as Celery's own client makes it, with these headers changed."""
    usual = {
        "lang": "py", "task": "producer.sync", "id": ID, "shadow": None, "eta": None, "expires": None, "group": None,
        "retries": 2, "timelimit": [None, None], "root_id": ID, "parent_id": None, "argsrepr": "()", "kwargsrepr": "{}",
        "origin": "gen1@host", "ignore_result": False, "stamped_headers": None, "stamps": {},
    }  # fmt: skip
    embedded = {"callbacks": None, "errbacks": None, "chain": None, "chord": None}
    body = json.dumps([[], ARGUMENTS if arguments is None else arguments, embedded]).encode()
    made = {"content_type": "application/json", "content_encoding": "utf-8", "body": body, "properties": {}}
    return SimpleNamespace(headers={**usual, **(headers or {})}, **{**made, **others})


def test_a_sync_keeps_its_id_its_retries_its_times_and_its_arguments() -> None:
    eta, expires = format_instant(NOW + timedelta(minutes=10)), format_instant(NOW + timedelta(days=1))
    sync = message({"eta": eta, "expires": expires})
    rebuild(sync, NOW)
    kept = {name: sync.headers[name] for name in ("task", "id", "retries", "eta", "expires")}
    assert kept == {"task": "producer.sync", "id": ID, "retries": 2, "eta": eta, "expires": expires}
    args, kwargs, embedded = json.loads(sync.body)
    assert (args, kwargs) == ([], {name: value for name, value in ARGUMENTS.items() if value is not None})
    assert set(embedded.values()) == {None}


def test_a_sync_without_arguments_passes() -> None:
    sync = message(arguments={})
    rebuild(sync, NOW)
    assert json.loads(sync.body)[1] == {}


def test_the_outcome_of_rejected_keys_and_remarks_passes() -> None:
    so_far = {**SO_FAR, "rejected_keys": {"finnhub": "rejected the key"}, "remarks": ["DEADX: old"]}
    sync = message(arguments={"so_far": so_far})
    rebuild(sync, NOW)
    assert json.loads(sync.body)[1] == {"so_far": so_far}


def test_every_header_and_property_that_a_sync_does_not_need_is_removed() -> None:
    odd = dict.fromkeys(("shadow", "group", "origin", "meth", "stamps", "x-forged", "argsrepr"), "\x1b[2J")
    sync = message({**odd, "timelimit": ["x", "y"], "root_id": {}}, properties={"reply_to": "x", "priority": 255})
    rebuild(sync, NOW)
    assert sync.headers["timelimit"] == [None, None]
    assert "\x1b" not in repr(sync.headers).encode().decode("unicode_escape")
    assert sync.headers.keys() <= {"lang", "task", "id", "retries", "timelimit", "root_id", "argsrepr", "kwargsrepr"}
    assert sync.properties == {"correlation_id": ID}


@pytest.mark.parametrize(
    ("headers", "why"),
    [
        ({"task": "celery.ping"}, "headers are invalid: Invalid enum value"),
        ({"task": None}, "missing required field `task`"),
        ({"id": 5}, "headers are invalid"),
        ({"id": "x" * 156}, "headers are invalid"),
        ({"id": "a\nb"}, "headers are invalid"),
        ({"retries": "x"}, "headers are invalid"),
        ({"retries": -1}, "headers are invalid"),
        ({"retries": 2**62}, "headers are invalid"),
        ({"eta": ["x"]}, "headers are invalid"),
        ({"eta": "soon"}, "header eta is invalid: 'soon' is not a time"),
        ({"eta": format_instant(NOW + timedelta(hours=1))}, "header eta is out of range"),
        ({"expires": "9999-12-31T23:59:59-01:00"}, "header expires is invalid"),
        ({"expires": "0001-01-01T00:00:00Z"}, "header expires is out of range"),
    ],
)
def test_an_invalid_header_is_refused(headers: dict[str, Any], why: str) -> None:
    with pytest.raises(InvalidTask, match=why):
        rebuild(message(headers), NOW)


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ({"unknown": 1}, "unknown field `unknown`"),
        ({"symbols": "AAPL"}, "Expected `array | null`, got `str`"),
        ({"symbols": ["aapl\n"]}, "arguments are invalid"),
        ({"at": "soon"}, "argument at is invalid"),
        ({"at": format_instant(NOW + timedelta(days=2))}, "argument at is out of range"),
        ({"until": format_instant(NOW + timedelta(days=90))}, "argument until is out of range"),
        ({"so_far": {"at": ""}}, "missing required field `provider`"),
        ([], "arguments are invalid"),
    ],
)
def test_an_invalid_argument_is_refused(arguments: Any, why: str) -> None:
    with pytest.raises(InvalidTask, match=why):
        rebuild(message(arguments=arguments), NOW)


@pytest.mark.parametrize(
    "body",
    [
        b"", b"null", b"[]", b"[[], {}]", b'[["2024-11-20T10:00:00Z"], {}, null]', b"\xff", b"[" * 100_000,
        b'[[], {}, {"callbacks": [{"task": "producer.sync"}]}]', b'[[], {}, {"chain": 5}]', b'[[], {"at": NaN}, null]',
    ],
)  # fmt: skip
def test_an_invalid_body_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidTask, match="its arguments are invalid"):
        rebuild(message(body=body), NOW)


@pytest.mark.parametrize(
    ("content_type", "content_encoding"),
    [("application/x-python-serialize", "binary"), ("application/x-yaml", "utf-8"), ("application/json", "zlib")],
)
def test_another_content_than_json_is_refused(content_type: str, content_encoding: str) -> None:
    with pytest.raises(InvalidTask, match="not JSON in UTF-8"):
        rebuild(message(content_type=content_type, content_encoding=content_encoding), NOW)


def test_a_message_without_readable_properties_is_refused() -> None:
    with pytest.raises(InvalidTask, match="its properties cannot be read, or its body is too large or compressed"):
        rebuild(message(content_type=None), NOW)
