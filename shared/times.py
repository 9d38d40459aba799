"""Instants, durations and ages as text; every instant inside Stockwire is an aware datetime in UTC."""

import re
from datetime import UTC, date, datetime, time, timedelta

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_MICROSECOND = timedelta(microseconds=1)
_RFC3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)", re.ASCII)
_DURATION = re.compile(r"(\d{1,9})(s|m|h|d)", re.ASCII)
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def utc_now() -> datetime:
    return datetime.now(UTC)


def parse_instant(text: str) -> datetime:
    """RFC 3339 text with an offset, as UTC.

    Digits past the microsecond are dropped. Raises ValueError for everything else.
    Source: https://www.rfc-editor.org/rfc/rfc3339#section-5.6
    """
    if not _RFC3339.fullmatch(text):
        raise ValueError(f"{text[:40]!r} is not a time such as 2026-11-20T09:59:58Z (date, time and offset)")
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except OverflowError as error:
        raise ValueError(f"{text[:40]!r} is outside the years 1 to 9999") from error


def format_instant(instant: datetime) -> str:
    """RFC 3339 in UTC with `Z`, the fraction only where there is one: `2026-11-20T09:59:58Z`."""
    return instant.astimezone(UTC).isoformat().replace("+00:00", "Z")


def format_sortable(instant: datetime) -> str:
    """RFC 3339 in UTC, always six digits of fraction, so that text sorts as time does."""
    return instant.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def to_micros(instant: datetime) -> int:
    """Whole microseconds since 1970-01-01T00:00:00Z."""
    return (instant - EPOCH) // _MICROSECOND


def from_micros(micros: int) -> datetime:
    return EPOCH + timedelta(microseconds=micros)


def midnight_of(day: date) -> datetime:
    """The beginning of a day of UTC; the day of an instant may be given by the instant, in UTC."""
    return datetime.combine(day, time(), UTC)


def parse_duration(text: str) -> timedelta:
    """`30s`, `5m`, `1h` or `7d`, more than zero. Raises ValueError."""
    match = _DURATION.fullmatch(text.strip())
    if not match or not int(match[1]):
        raise ValueError(f"{text!r} is not a duration such as 30s, 5m, 1h or 7d")
    try:
        return timedelta(seconds=int(match[1]) * _SECONDS[match[2]])
    except OverflowError as error:
        raise ValueError(f"{text!r} is too long a duration") from error


def format_duration(duration: timedelta) -> str:
    """The shortest text that `parse_duration` reads back: `5m`, `90s`, `1d`."""
    seconds = int(duration.total_seconds())
    for unit in ("d", "h", "m"):
        if seconds % _SECONDS[unit] == 0:
            return f"{seconds // _SECONDS[unit]}{unit}"
    return f"{seconds}s"


def parse_moment(text: str, now: datetime) -> datetime:
    """An ISO date or time (UTC where it has no offset), or an age before `now` such as `90m`, `24h` or `7d`.

    Raises ValueError.
    """
    text = text.strip()
    try:
        if _DURATION.fullmatch(text):
            return now - parse_duration(text)
        moment = datetime.fromisoformat(text)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise ValueError(
            f"{text!r} is neither a date or time (2026-11-20, 2026-11-20T09:30) nor an age (90m, 24h, 7d)"
        ) from error
