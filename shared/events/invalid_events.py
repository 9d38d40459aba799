"""Reasons: explaining in one line why a body is not a valid event.

A valid body never comes here. msgspec says which field is wrong, and these functions say what is wrong with its value.
"""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any, NoReturn, TypeVar, get_args

import msgspec

from shared.errors import InvalidEvent
from shared.events.currencies import Currency
from shared.events.fields import MAX_TEXT, IntervalText, PriceText, RuleId, SpecVersion, Symbol, Text, TimeText, Volume
from shared.prices import explain_bad_price
from shared.symbols import check_symbol
from shared.times import parse_instant

Json = dict[str, Any]

_Event = TypeVar("_Event", bound=msgspec.Struct)

# The two places of msgspec's messages that name the field: "Object missing required field `price` - at `$.data`".
_MISSING = re.compile(r"missing required field `(\w+)`")
_PATH = re.compile(r" - at `\$\.?([\w.]*)`$")


def decode_slowly(body: bytes, cls: type[_Event], max_body: int) -> _Event:
    """Return the event in a body that msgspec rejects but that is valid JSON for Python's `json`.

    An example is a lone surrogate in a field that no reader uses. Raises InvalidEvent with the reason otherwise.
    """
    message = load_json(body, max_body)
    try:
        return msgspec.convert(message, cls)
    except msgspec.ValidationError as error:
        reason = explain(message, cls, str(error))
    except RecursionError:
        reason = "not JSON: nested too deeply"
    raise InvalidEvent(reason)


def load_json(body: bytes, max_body: int) -> Json:
    """Return the JSON object in a body, with any fields. Raises InvalidEvent if there is no such object."""
    if not body:
        raise InvalidEvent("empty body")
    if len(body) > max_body:
        raise InvalidEvent(f"body of {len(body)} bytes is over {max_body // 1024} KiB")
    try:
        message = _STRICT_JSON.decode(body.decode())
    except UnicodeDecodeError as error:
        raise InvalidEvent(f"not UTF-8: byte {error.start} cannot be decoded") from error
    except (ValueError, RecursionError) as error:
        raise InvalidEvent(f"not JSON: {error}") from error
    if not isinstance(message, dict):
        raise InvalidEvent("not a JSON object")
    return message


def explain(message: Mapping[str, Any], cls: type[msgspec.Struct], problem: str) -> str:
    """Return one line about the field that msgspec's `problem` names, with the value that the message has there."""
    path = _PATH.search(problem)
    names = [name for name in path[1].split(".") if name] if path else []
    if missing := _MISSING.search(problem):
        names.append(missing[1])
    value: Any = message
    for name in names:
        value = value.get(name) if isinstance(value, Mapping) else None
    name = names[-1] if names else "message"
    try:
        return _describe(name, _find_type(cls, names), value)
    except RecursionError:
        return f"{name} is nested too deeply"


def _find_type(cls: type[msgspec.Struct], names: list[str]) -> Any:
    """Return the declared type of a field, or None if there is no such field."""
    declared: Any = cls
    for name in names:
        types = {field.name: field.type for field in msgspec.structs.fields(declared)}
        declared = types.get(name)
    return declared


def _describe(name: str, declared: Any, value: Any) -> str:
    if name == "specversion":
        return "specversion is not '1.0': not a CloudEvents 1.0 message"
    if name == "type":
        return f"type {str(value)[:40]!r} is not {get_args(declared)[0]}"
    if name == "data":
        return "data is not an object"
    if value is None:
        return f"{name} is missing"
    for field_type, describe in _DESCRIPTIONS:
        if field_type == declared or field_type in get_args(declared):
            return describe(name, value)
    return f"{name} {_shorten(value)} is not of the type {declared}"


def _describe_text(name: str, _value: Any) -> str:
    return f"{name} is not a printable text of 1-{MAX_TEXT} characters"


def _describe_price(name: str, value: Any) -> str:
    return f"{name} {explain_bad_price(value)}"


def _describe_time(name: str, value: Any) -> str:
    if not isinstance(value, str):
        return f"{name} is not text"
    try:
        parse_instant(value)
    except ValueError as error:
        return f"{name} {error}"
    return f"{name} {value[:40]!r} is not a time"


def _describe_symbol(_name: str, value: Any) -> str:
    try:
        check_symbol(value)
    except InvalidEvent as error:
        return str(error)
    return f"symbol {_shorten(value)} is not a symbol"


def _describe_as(description: str) -> Callable[[str, Any], str]:
    return lambda name, value: f"{name} {_shorten(value)} is not {description}"


_DESCRIPTIONS: tuple[tuple[Any, Callable[[str, Any], str]], ...] = (
    (PriceText, _describe_price),
    (TimeText, _describe_time),
    (Symbol, _describe_symbol),
    (Text, _describe_text),
    (IntervalText, _describe_as("the length of a bar such as 1d, 1h or 5m")),
    (Currency, _describe_as("an active currency code of ISO 4217 such as USD")),
    (Volume, _describe_as("a whole number of 0 or more")),
    (RuleId, _describe_as("a whole number")),
    (SpecVersion, _describe_as("1.0")),
    (bool, _describe_as("true or false")),
    (str, _describe_as("text")),
)


def _shorten(value: Any) -> str:
    return repr(str(value)[:40])


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")


# Built once, because json.loads would build a decoder per body.
_STRICT_JSON = json.JSONDecoder(parse_constant=_refuse_constant)
