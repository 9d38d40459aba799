"""Instants, durations and ages as text. Every instant inside Stockwire is an aware datetime in UTC."""

import re
from datetime import UTC, date, datetime, time, timedelta

from shared.time_parsing import parse_time

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

# The end is `(?![\s\S])` because `$` also matches before a final newline, and JSON Schema does not know `\Z`.
RFC3339_PATTERN = (
    r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]+)?(?:Z|[+-][0-9]{2}:[0-9]{2})(?![\s\S])"
)
INTERVAL_PATTERN = r"^[1-9][0-9]{0,8}(?:s|m|h|d|w|mo)(?![\s\S])"

_INTERVAL = re.compile(INTERVAL_PATTERN)
_MICROSECOND = timedelta(microseconds=1)
_fromisoformat = datetime.fromisoformat
_RFC3339 = re.compile(RFC3339_PATTERN)
_DURATION = re.compile(r"(\d{1,9})(s|m|h|d)", re.ASCII)
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def utc_now() -> datetime:
    return datetime.now(UTC)


def parse_instant(text: str) -> datetime:
    """Return the instant of RFC 3339 text with an offset, in UTC. Digits after the microsecond are dropped.

    Raises ValueError with the reason.
    Source: https://www.rfc-editor.org/rfc/rfc3339#section-5.6
    """
    if not _RFC3339.match(text):
        raise ValueError(f"{text[:40]!r} is not a time such as 2026-11-20T09:59:58Z (date, time and offset)")
    return to_utc(text)


def to_utc(text: str) -> datetime:
    """Return the instant, in UTC, of text that matches RFC3339_PATTERN. Raises ValueError if no such instant exists."""
    try:
        moment = _fromisoformat(text)
        return moment if moment.tzinfo is UTC else moment.astimezone(UTC)
    except OverflowError as error:
        raise ValueError(f"{text[:40]!r} is outside the years 1 to 9999") from error
    except ValueError as error:
        raise ValueError(f"{text[:40]!r} is not a time: {str(error)[:80]}") from error


def format_instant(instant: datetime) -> str:
    """Return RFC 3339 text in UTC with `Z`, with a fraction only if there is one: `2026-11-20T09:59:58Z`."""
    return instant.astimezone(UTC).isoformat().replace("+00:00", "Z")


def format_sortable(instant: datetime) -> str:
    """Return RFC 3339 text in UTC with six digits of fraction, so that text sorts as time does."""
    return instant.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def to_micros(instant: datetime) -> int:
    """Return the whole microseconds since 1970-01-01T00:00:00Z."""
    return (instant - EPOCH) // _MICROSECOND


def from_micros(micros: int) -> datetime:
    return EPOCH + timedelta(microseconds=micros)


def midnight_of(day: date) -> datetime:
    """Return midnight UTC of a date, or of the date of an instant in UTC."""
    return datetime.combine(day, time(), UTC)


def parse_duration(text: str) -> timedelta:
    """Return the duration of `30s`, `5m`, `1h` or `7d`, which must be more than zero. Raises ValueError."""
    match = _DURATION.fullmatch(text.strip())
    if not match or not int(match[1]):
        raise ValueError(f"{text!r} is not a duration such as 30s, 5m, 1h or 7d")
    try:
        return timedelta(seconds=int(match[1]) * _SECONDS[match[2]])
    except OverflowError as error:
        raise ValueError(f"{text!r} is too long for a duration") from error


def format_duration(duration: timedelta) -> str:
    """Return the shortest text that `parse_duration` reads back: `5m`, `90s`, `1d`."""
    seconds = int(duration.total_seconds())
    for unit in ("d", "h", "m"):
        if seconds % _SECONDS[unit] == 0:
            return f"{seconds // _SECONDS[unit]}{unit}"
    return f"{seconds}s"


def parse_interval(text: str) -> str:
    """Return the length of a bar: `30s`, `5m`, `1h`, `1d`, `1w` or `1mo`. Raises ValueError."""
    text = text.strip()
    if not _INTERVAL.match(text):
        raise ValueError(f"{text[:40]!r} is not the length of a bar such as 5m, 1h or 1d")
    if _DURATION.fullmatch(text):
        parse_duration(text)
    return text


def canonical_interval(text: str) -> str:
    """Return the one spelling of a bar's length: `60m` is `1h`, `24h` is `1d`; weeks and months stay as they are."""
    return format_duration(parse_duration(text)) if _DURATION.fullmatch(text) else text


def is_intraday(interval: str) -> bool:
    """Return True if bars of this canonical length are shorter than a day."""
    return bool(_DURATION.fullmatch(interval)) and parse_duration(interval) < timedelta(days=1)


def is_by_date(interval: str | None) -> bool:
    """Return True if bars of this canonical length are of a day or more. A quote has no length, or an empty one."""
    return bool(interval) and not is_intraday(interval or "")


def parse_moment(text: str, now: datetime) -> datetime:
    """Return the instant of a date or time, or of an age before `now` such as `90m`, `24h` or `7d`.

    A date or time without an offset is UTC. Raises ValueError.
    """
    text = text.strip()
    try:
        if _DURATION.fullmatch(text):
            return now - parse_duration(text)
        return parse_time(text)
    except (ValueError, OverflowError) as error:
        raise ValueError(
            f"{text[:40]!r} is neither a date or time (2026-11-20, 2026-11-20T09:30) nor an age (90m, 24h, 7d)"
        ) from error
