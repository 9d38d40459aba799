"""Times in text from outside: files, answers of providers and the command line. One set of forms for all of them.

Python's own `fromisoformat` also takes week dates, ordinal dates and digits of a Unix time for dates, so the form is
checked first.
"""

import re
from datetime import UTC, date, datetime, timedelta, tzinfo

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_TIME_OF_DAY = r"\d\d(?::?\d\d(?::?\d\d(?:[.,]\d{1,12})?)?)?"
_OFFSET = r"Z|[+-]\d\d(?::?\d\d)?"
_ISO = re.compile(
    rf"(\d{{4}}-\d\d-\d\d|\d{{4}}\.\d\d\.\d\d|(?:19|20)\d{{6}})(?:[T ]({_TIME_OF_DAY}) ?({_OFFSET}|UTC|GMT)?)?",
    re.ASCII | re.IGNORECASE,
)
# Dates of digits begin with 19 or 20: other digits are rather a number than a year before 1900.
_COMPACT = re.compile(
    rf"((?:19|20)\d\d(?:0[1-9]|1[0-2])\d\d)(\d{{4}}(?:\d\d(?:[.,]\d{{1,12}})?)?) ?({_OFFSET}|UTC|GMT)?",
    re.ASCII | re.IGNORECASE,
)
_UNIX = re.compile(r"([1-9]\d{8,18})(?:\.(\d{1,12}))?", re.ASCII)
_DIGITS = re.compile(r"\d+(?:\.\d+)?", re.ASCII)
_DAY_OR_MONTH_FIRST = re.compile(r"\d{1,2}([/.-])\d{1,2}\1(?:\d{4}|\d\d)(?:[T ].*)?", re.ASCII | re.DOTALL)
# Units per second, by the number of digits. Other numbers of digits are no Unix time between 1973 and 2286.
_UNITS_PER_SECOND = {9: 1, 10: 1, 12: 10**3, 13: 10**3, 15: 10**6, 16: 10**6, 18: 10**9, 19: 10**9}

_DIGITS_EXPLAINED = "a Unix time has 9-10 digits (s), 12-13 (ms), 15-16 (us) or 18-19 (ns), a date has 8, 12 or 14"
_EXAMPLES = "2026-11-20, 2026-11-20T09:30Z, 20261120093000 or a Unix time"


def parse_outside_time(text: str) -> date | datetime:
    """Return a `date` for a date alone, UTC for a Unix time or a time with an offset, and a naive time without one.

    Takes ISO 8601 dates and times, `YYYYMMDD`, `YYYY.MM.DD`, `YYYYMMDDHHMM[SS]`, and Unix times in s, ms, us or ns,
    told by the number of their digits. Digits after the microsecond are dropped. Raises ValueError with the reason.
    """
    text = text.strip()
    try:
        if match := _ISO.fullmatch(text):
            return _from_parts(match)
        if match := _COMPACT.fullmatch(text):
            return _from_parts(match)
    except OverflowError as error:
        raise ValueError(f"{text[:40]!r} is outside the years 1 to 9999") from error
    except ValueError as error:
        raise ValueError(f"{text[:40]!r} is not a time: {str(error)[:80]}") from error
    match = _UNIX.fullmatch(text)
    if match and len(match[1]) in _UNITS_PER_SECOND and not _is_compact(match[1]):
        return _from_unix(match[1], match[2] or "")
    raise ValueError(_explain(text))


def parse_time(text: str, zone: tzinfo = UTC) -> datetime:
    """Return the instant, in UTC, of every form that `parse_outside_time` takes. Raises ValueError with the reason.

    A date is midnight UTC in every zone. A time without an offset is a time in `zone`; the first of a repeated hour.
    """
    parsed = parse_outside_time(text)
    if not isinstance(parsed, datetime):
        return datetime(parsed.year, parsed.month, parsed.day, tzinfo=UTC)
    return parsed if parsed.tzinfo is not None else localize(parsed, zone)


def localize(local: datetime, zone: tzinfo, *, repeated: bool = False) -> datetime:
    """Return the instant, in UTC, of a naive time in `zone`; with `repeated` the second of an hour that comes twice.

    Raises ValueError for a time that the clock leaves out when it is put forward.
    """
    if zone is UTC:
        return local.replace(tzinfo=UTC)
    try:
        instant = local.replace(tzinfo=zone, fold=int(repeated)).astimezone(UTC)
        exists = instant.astimezone(zone).replace(tzinfo=None, fold=0) == local
    except OverflowError as error:
        raise ValueError(f"'{local}' is outside the years 1 to 9999") from error
    if not exists:
        raise ValueError(f"'{local}' does not exist in {zone}: the clock was put forward")
    return instant


def is_repeated(local: datetime, zone: tzinfo) -> bool:
    """Return True if the naive time comes twice in `zone`, because the clock is put back."""
    first, second = (local.replace(tzinfo=zone, fold=fold).utcoffset() for fold in (0, 1))
    return first is not None and second is not None and first > second


def parse_zone(text: str) -> tzinfo:
    """Return the time zone of an IANA name such as America/New_York, of `UTC`, or of an offset such as +05:30.

    Raises ValueError.
    """
    from zoneinfo import ZoneInfo  # not at import, because few commands need it

    name = text.strip()
    if name.upper() in ("UTC", "Z"):
        return UTC
    try:
        if re.fullmatch(r"[+-]\d\d:?\d\d", name, re.ASCII):
            return datetime.fromisoformat(f"2000-01-01T00:00:00{name}").tzinfo or UTC
        return ZoneInfo(name)
    except (ValueError, OSError, LookupError) as error:
        raise ValueError(f"{text[:40]!r} is not a time zone such as America/New_York, UTC or +05:30") from error


def _from_parts(match: re.Match[str]) -> date | datetime:
    day, time, offset = match.groups()
    day = day.replace(".", "-")
    if time is None:
        return date.fromisoformat(day)
    offset = (offset or "").upper().replace("UTC", "Z").replace("GMT", "Z")
    moment = datetime.fromisoformat(f"{day}T{time}{offset}")
    return moment.astimezone(UTC) if offset else moment


def _from_unix(digits: str, fraction: str) -> datetime:
    per_second = _UNITS_PER_SECOND[len(digits)]
    units = int(digits + fraction)
    return _EPOCH + timedelta(microseconds=units * 10**6 // (per_second * 10 ** len(fraction)))


def _is_compact(digits: str) -> bool:
    """Return True for 12 digits that begin as a date does: they are a date, even if it is not a valid one."""
    return len(digits) == 12 and digits.startswith(("19", "20"))


def _explain(text: str) -> str:
    shown = repr(text[:40])
    if _DAY_OR_MONTH_FIRST.fullmatch(text):
        return f"{shown} does not say if the day or the month comes first"
    if _DIGITS.fullmatch(text):
        return f"{shown} is not a time: {_DIGITS_EXPLAINED}"
    return f"{shown} is not a date or time such as {_EXAMPLES}"
