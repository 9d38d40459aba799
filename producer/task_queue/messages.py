"""Checks of the messages in the task queue before Celery reads them.

Celery trusts what it finds in a message: a time limit that is not a number ends the worker, and the message comes again
to the next one. So each message is rebuilt from the few headers and arguments that a sync has, each of them checked.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal

import msgspec

from shared.symbols import check_symbol
from shared.times import EPOCH, parse_instant

TASK = "producer.sync"
CONTENT_TYPE, CONTENT_ENCODING = "application/json", "utf-8"
# How far ahead of the worker's clock a sync may be. Without limits, a far time would never come or could not be stored.
MAX_ETA = timedelta(minutes=15)
MAX_AT = timedelta(days=1)
MAX_UNTIL = timedelta(days=60)


class _Headers(msgspec.Struct, omit_defaults=True):
    task: Literal["producer.sync"]
    # The column of results has 155 characters.
    id: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_.:-]{1,155}$")]
    retries: Annotated[int, msgspec.Meta(ge=0, le=100_000)] = 0
    eta: str | None = None
    expires: str | None = None


class _Outcome(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    at: str
    provider: str
    published: Annotated[int, msgspec.Meta(ge=0, le=10**9)]
    failed: dict[str, str]
    rejected_keys: dict[str, str] | msgspec.UnsetType = msgspec.UNSET
    remarks: list[str] | msgspec.UnsetType = msgspec.UNSET


class _Arguments(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    at: str | None = None
    symbols: list[str] | None = None
    so_far: _Outcome | None = None
    until: str | None = None


class _FurtherTasks(msgspec.Struct):
    """Tasks that Celery would run after this one."""

    callbacks: None = None
    errbacks: None = None
    chain: None = None
    chord: None = None


_Body = tuple[Annotated[list[Any], msgspec.Meta(max_length=0)], _Arguments, _FurtherTasks | None]
_body_decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder(_Body)


class InvalidTask(ValueError):
    """A message is not a sync; the text says why."""


def rebuild(message: Any, now: datetime) -> None:
    """Leave in Celery's message what was checked, and nothing else. Raises InvalidTask."""
    if not message.content_type:
        raise InvalidTask("its properties cannot be read, or its body is too large or compressed")
    if (message.content_type, str(message.content_encoding).lower()) != (CONTENT_TYPE, CONTENT_ENCODING):
        raise InvalidTask(f"its content is {message.content_type!r} in {message.content_encoding!r}, not JSON in UTF-8")
    headers = _check_headers(message.headers, now)
    arguments = _check_arguments(message.body, now)
    message.headers = {
        "lang": "py",
        "timelimit": [None, None],
        "root_id": headers.id,
        "argsrepr": "()",
        "kwargsrepr": f"at {arguments.at}",
        **msgspec.to_builtins(headers),
    }
    message.properties = {"correlation_id": headers.id}
    message.body = msgspec.json.encode(((), arguments, _FurtherTasks()))


def _check_headers(headers: Mapping[str, Any], now: datetime) -> _Headers:
    found = {name: headers[name] for name in _Headers.__struct_fields__ if headers.get(name) is not None}
    try:
        checked = msgspec.convert(found, _Headers)
    except msgspec.ValidationError as error:
        raise InvalidTask(f"its headers are invalid: {error}") from None
    _check_time("header eta", checked.eta, now + MAX_ETA)
    # An expiry may be far ahead, but must be a time.
    _check_time("header expires", checked.expires, datetime.max.replace(tzinfo=now.tzinfo))
    return checked


def _check_arguments(body: bytes | str, now: datetime) -> _Arguments:
    try:
        arguments: _Arguments = _body_decoder.decode(body)[1]
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise InvalidTask(f"its arguments are invalid: {error}") from None
    _check_time("argument at", arguments.at, now + MAX_AT)
    _check_time("argument until", arguments.until, now + MAX_UNTIL)
    try:
        for symbol in arguments.symbols or ():
            check_symbol(symbol)
    except ValueError as error:
        raise InvalidTask(f"its arguments are invalid: {error}") from None
    return arguments


def _check_time(name: str, text: str | None, latest: datetime) -> None:
    if text is None:
        return
    try:
        moment = parse_instant(text)
    except ValueError as error:
        raise InvalidTask(f"its {name} is invalid: {error}") from None
    if not EPOCH <= moment <= latest:
        raise InvalidTask(f"its {name} is out of range: {text}")
