"""The values of keys in a file of rules, each read as its kind."""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any, TypeVar

from consumers.alerts.rules.options import OnArm
from shared.prices import format_price

Value = TypeVar("Value")

_OPTION = re.compile(r"--([a-z-]+)( .*)", re.DOTALL)
# Keys whose errors do not name them.
_UNNAMED = ("for", "rearm", "expires", "prices", "notify")


class Misfit(ValueError):
    """A value that a key of a table cannot have."""

    def __init__(self, key: str, text: str) -> None:
        self.key = key
        super().__init__(text)


def read_text(key: str, table: Mapping[str, Any], parse: Callable[[str], Value]) -> Value | None:
    """Return what the text of a key means, or None without the key. Raises Misfit."""
    return convert(key, table[key], parse) if key in table else None


def require_text(key: str, table: Mapping[str, Any], parse: Callable[[str], Value]) -> Value:
    """Return what the text of a key means. Raises Misfit, also without the key."""
    if key not in table:
        raise Misfit(key, f"{key} is missing")
    return convert(key, table[key], parse)


def convert(key: str, value: Any, parse: Callable[[str], Value]) -> Value:
    if not isinstance(value, str):
        raise Misfit(key, f"{key} must be text in quotes, not {shorten(value)}")
    try:
        return parse(value)
    except ValueError as error:
        raise misfit_of(error, key) from error


def misfit_of(error: ValueError, key: str = "notify") -> Misfit:
    """Return an error in the words of a file: `--on-arm` is the key `on_arm`."""
    match = _OPTION.fullmatch(str(error))
    if match is None:
        return Misfit(key, f"{key}: {error}" if key in _UNNAMED else str(error))
    key = match[1].replace("-", "_")
    return Misfit(key, key + match[2])


def number_text(key: str, value: Any) -> str:
    """Return the text of a number, which may be written with or without quotes. Raises Misfit."""
    if isinstance(value, str):
        return value
    if isinstance(value, Decimal):
        return format_price(value) if value.is_finite() else str(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    raise Misfit(key, f"{key} must be a number, not {shorten(value)}")


def read_time(key: str, value: Any) -> datetime:
    """Return the instant of a TOML date or time, or of its text; without an offset it is UTC. Raises Misfit.

    An age or a duration is refused, because it would be another time with every reading.
    """
    try:
        found = datetime.fromisoformat(value.strip()) if isinstance(value, str) else value
        if isinstance(found, datetime):
            return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
        if isinstance(found, date):
            return datetime.combine(found, time(), UTC)
    except (ValueError, OverflowError) as error:
        raise _not_a_time(key, value) from error
    raise _not_a_time(key, value)


def _not_a_time(key: str, value: Any) -> Misfit:
    return Misfit(key, f"{key}: {shorten(value)} is not a date or time, such as 2026-11-20 or 2026-11-20T09:30:00Z")


def read_flag(key: str, table: Mapping[str, Any], *, default: bool) -> bool:
    value = table.get(key, default)
    if not isinstance(value, bool):
        raise Misfit(key, f"{key} must be true or false, not {shorten(value)}")
    return value


def read_list(key: str, table: Mapping[str, Any]) -> list[Any]:
    if key not in table:
        raise Misfit(key, f"{key} is missing")
    if not isinstance(table[key], list):
        raise Misfit(key, f"{key} must be a list in brackets, not {shorten(table[key])}")
    return list(table[key])


def read_names(key: str, value: Any) -> tuple[str, ...]:
    names = [value] if isinstance(value, str) else value
    if not isinstance(names, list) or not all(isinstance(each, str) for each in names):
        raise Misfit(key, f"{key} must be the name of a target, or a list of names, not {shorten(value)}")
    return tuple(dict.fromkeys(names))


def parse_on_arm(text: str) -> OnArm:
    try:
        return OnArm(text.lower())
    except ValueError as error:
        raise ValueError(f"on_arm {text[:40]!r} was not understood: use fire or wait") from error


def shorten(value: Any) -> str:
    text = str(value).lower() if isinstance(value, bool | Decimal) else repr(value)
    return text if len(text) <= 40 else f"{text[:37]}..."
