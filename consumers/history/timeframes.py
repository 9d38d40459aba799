"""Timeframes such as `1h` and `1mo`, and the buckets of time into which they cut the history.

Without a time zone, buckets shorter than a week are aligned to the Unix epoch. Weeks begin on Monday, and weeks and
months always follow the calendar. With a time zone, days follow its calendar too, and shorter buckets follow its clock:
a bucket of up to an hour is a real span of time, so an hour that the clock repeats is two buckets.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo

_TIMEFRAME = re.compile(r"([1-9]\d{0,5}) ?([a-z]+)", re.IGNORECASE | re.ASCII)
_UNITS = {
    **dict.fromkeys(("s", "sec", "second"), "s"),
    **dict.fromkeys(("m", "min", "minute"), "m"),
    **dict.fromkeys(("h", "hour"), "h"),
    **dict.fromkeys(("d", "day"), "d"),
    **dict.fromkeys(("w", "week"), "w"),
    **dict.fromkeys(("mo", "month"), "mo"),
}
_LENGTHS = {
    "s": timedelta(seconds=1),
    "m": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
    "w": timedelta(weeks=1),
}
# Longer buckets could begin before the first year of the calendar, or end after its last.
_LONGEST = timedelta(days=36525)
_MOST_MONTHS = 1200
_LAST_MONTH = 9999 * 12 + 11
_DAY = timedelta(days=1)
_HOUR = timedelta(hours=1)
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - the epoch of any clock
# The Monday before the epoch.
_FIRST_WEEK = date(1969, 12, 29)

# Returns the instant, in UTC, at which a date begins.
DayStart = Callable[[date], datetime]


@dataclass(frozen=True)
class Timeframe:
    """A number of seconds, minutes, hours, days, weeks or months: `s`, `m`, `h`, `d`, `w` or `mo`."""

    count: int
    unit: str

    @staticmethod
    def parse(text: str) -> "Timeframe":
        """Return the timeframe of `5m`, `1h`, `1d`, `1w`, `1mo`, or of `5Min`, `1Hour`, `1Day`. Raises ValueError."""
        match = _TIMEFRAME.fullmatch(text.strip())
        unit = match and _UNITS.get(match[2].lower())
        # M is a minute to some and a month to others.
        if not match or not unit or match[2] == "M":
            raise ValueError(f"{text[:40]!r} is not a timeframe such as 5m, 1h, 1d, 1w or 1mo")
        found = Timeframe(int(match[1]), unit)
        if found.count > _MOST_MONTHS if found.length is None else found.length > _LONGEST:
            raise ValueError(f"{text[:40]!r} is longer than 100 years")
        return found

    @staticmethod
    def of_bars(interval: str) -> "Timeframe | None":
        """Return the length of stored bars, or None if it is longer than any timeframe: they fit into no bucket."""
        try:
            return Timeframe.parse(interval)
        except ValueError:
            return None

    @property
    def length(self) -> timedelta | None:
        """The length in seconds, or None for months, which differ."""
        return None if self.unit == "mo" else self.count * _LENGTHS[self.unit]

    @property
    def is_by_date(self) -> bool:
        """True if buckets begin with a date of the calendar."""
        return self.unit in ("d", "w", "mo")

    def first_date(self, day: date) -> date:
        """Return the first date of the bucket around a date, for a timeframe of days or longer."""
        if self.unit == "mo":
            months = (day.year * 12 + day.month - 1) // self.count * self.count
            return date(months // 12, months % 12 + 1, 1) if months >= 12 else date.min
        first = _FIRST_WEEK if self.unit == "w" else _EPOCH.date()
        days = self.count * (7 if self.unit == "w" else 1)
        return date.fromordinal(max(1, first.toordinal() + (day - first).days // days * days))

    def next_date(self, first: date) -> date:
        """Return the first date of the bucket after the one that begins with `first`. Raises OverflowError."""
        if self.unit == "mo":
            months = first.year * 12 + first.month - 1 + self.count
            if months > _LAST_MONTH:
                raise OverflowError("the next bucket begins after the last year")
            return date(months // 12, months % 12 + 1, 1)
        return first + timedelta(days=self.count * (7 if self.unit == "w" else 1))


@dataclass(frozen=True)
class Buckets:
    """The buckets of a timeframe in a time zone; `day_start` is given if a date does not begin at midnight there."""

    timeframe: Timeframe
    zone: tzinfo = UTC
    day_start: DayStart | None = None

    def around(self, instant: datetime) -> tuple[datetime, datetime]:
        """Return start and end (UTC) of the bucket that contains the instant. The end belongs to the next bucket.

        Raises OverflowError if the bucket passes an end of the calendar.
        """
        if self.timeframe.is_by_date:
            first = self.timeframe.first_date(self.date_of(instant))
            return self.start_of(first), self.start_of(self.timeframe.next_date(first))
        length = self.timeframe.length or _DAY
        local = instant.astimezone(self.zone).replace(tzinfo=None)
        passed = (local - _EPOCH) % length
        if length <= _HOUR:
            return instant - passed, instant - passed + length
        start, end = local - passed, local - passed + length
        if _to_instant(end, self.zone) <= instant:
            # The clock was put back from the next bucket into this one.
            start, end = end, end + length
        return _to_instant(start, self.zone), _to_instant(end, self.zone)

    def date_of(self, instant: datetime) -> date:
        """Return the date to which an instant belongs."""
        day = instant.astimezone(self.zone).date()
        return day + _DAY if self.day_start and instant >= self.day_start(day + _DAY) else day

    def start_of(self, day: date) -> datetime:
        """Return the instant, in UTC, at which a date begins."""
        if self.day_start:
            return self.day_start(day)
        return _to_instant(datetime(day.year, day.month, day.day), self.zone)  # noqa: DTZ001 - a time in the zone

    def span_of_days(self, first: date, last: date) -> tuple[datetime, datetime]:
        """Return the instants, in UTC, at which the first of these dates begins and the last of them ends."""
        return self.start_of(first), self.start_of(last + _DAY)


def _to_instant(local: datetime, zone: tzinfo) -> datetime:
    """Return the first instant of a local time. One that the clock leaves out is where the clock continues."""
    return local.replace(tzinfo=zone).astimezone(UTC)
