"""The trading sessions of a market, with its holidays, half days and lunch breaks.

Source: https://github.com/gerrymanoim/exchange_calendars, an optional install that only this module imports.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from difflib import get_close_matches
from functools import cache, lru_cache
from typing import Any

from shared.errors import SettingsError
from shared.times import from_micros, utc_now

# The years that the library can compute. Only the years in use are computed, because a whole calendar takes up to 2 s.
_FIRST_YEAR = 1970
_LAST_YEAR = 2100
# First and last day of a year that every calendar covers.
_KNOWN_YEAR = ("2022-01-03", "2022-12-30")

_NO_LIBRARY = (
    "STOCKWIRE_MARKET needs a library that is not installed: .venv/bin/python -m pip install -r requirements-market.txt"
    " (with Docker: docker compose build), or leave STOCKWIRE_MARKET unset"
)


@dataclass(frozen=True)
class Session:
    """The regular trading of a day, from `open` to before `close` (UTC), except for the lunch break if there is one."""

    date: date
    open: datetime
    close: datetime
    lunch: tuple[datetime, datetime] | None = None

    def is_open(self, at: datetime) -> bool:
        return any(start <= at < end for start, end in self.open_hours())

    def open_hours(self) -> Sequence[tuple[datetime, datetime]]:
        """Return start and end of each stretch of trading: one, or two around a lunch break."""
        if self.lunch is None:
            return [(self.open, self.close)]
        return [(self.open, self.lunch[0]), (self.lunch[1], self.close)]


class MarketCalendar:
    """The sessions of one market; every instant is an aware datetime in UTC.

    Some calendars begin late, and some are known only until the end of a year.
    """

    def __init__(self, name: str, calendar: str) -> None:
        """Take the market's name, and the library's name of its calendar."""
        self.name = name
        self._calendar = calendar
        self._first, self._last = _bounds(calendar)
        self._years = range(0)
        self._sessions: Sequence[Session] = []
        self._opens: list[datetime] = []
        self._closes: list[datetime] = []

    @property
    def zone(self) -> tzinfo:
        """The market's time zone."""
        zone: tzinfo = _library().get_calendar(self._calendar, start=_KNOWN_YEAR[0], end=_KNOWN_YEAR[1]).tz
        return zone

    def day_start(self, day: date) -> datetime:
        """Return the instant, in UTC, at which a trading date begins: midnight, or the open of a session before it."""
        midnight = datetime(day.year, day.month, day.day, tzinfo=self.zone).astimezone(UTC)
        if not self._first <= day <= self._last:
            return midnight
        opens = [each.open for each in self.sessions(midnight, midnight + timedelta(days=1)) if each.date == day]
        return min([midnight, *opens])

    def is_open(self, at: datetime) -> bool:
        """Return True from the instant of an open to before the close. Raises SettingsError outside the calendar."""
        self._require(at)
        return self._sessions[bisect_right(self._opens, at) - 1].is_open(at)

    def sessions(self, since: datetime, until: datetime) -> Sequence[Session]:
        """Return the known sessions that overlap the time from `since` to before `until`, oldest first."""
        self._cover(since, until)
        return self._sessions[bisect_right(self._closes, since) : bisect_left(self._opens, until)]

    def last_close(self, at: datetime) -> datetime:
        """Return the last close of a session at or before `at`; a lunch break does not count. Raises SettingsError."""
        self._require(at)
        position = bisect_right(self._closes, at)
        if not position:
            raise self._outside_calendar()
        return self._closes[position - 1]

    def next_open(self, at: datetime) -> datetime:
        """Return when trading next begins after `at`, also after a lunch break. Raises SettingsError."""
        self._require(at)
        position = bisect_right(self._opens, at)
        lunch = self._sessions[position - 1].lunch
        if lunch and at < lunch[1]:
            return lunch[1]
        if position == len(self._opens):
            raise self._outside_calendar()
        return self._opens[position]

    def describe(self, at: datetime) -> str:
        """Return `XNYS is open` or `XNYS is closed until 2026-11-23 14:30 UTC`. Raises SettingsError."""
        if self.is_open(at):
            return f"{self.name} is open"
        return f"{self.name} is closed until {self.next_open(at):%Y-%m-%d %H:%M} UTC"

    def _require(self, at: datetime) -> None:
        """Raise SettingsError if `at` is before the first open or after the last close of the calendar."""
        self._cover(at, at)
        if not self._sessions or not self._opens[0] <= at < self._closes[-1]:
            raise self._outside_calendar()

    def _outside_calendar(self) -> SettingsError:
        return SettingsError(
            f"STOCKWIRE_MARKET: the installed calendar of {self.name} covers {self._first} to {self._last}:"
            " .venv/bin/python -m pip install --upgrade exchange_calendars, or leave STOCKWIRE_MARKET unset"
        )

    def _cover(self, since: datetime, until: datetime) -> None:
        """Load the sessions of these years and of one year on either side, for the last close and the next open."""
        wanted = range(max(since.year - 1, self._first.year), min(until.year + 1, self._last.year) + 1)
        if not wanted or (wanted[0] in self._years and wanted[-1] in self._years):
            return
        held = self._years or wanted
        years = range(min(wanted[0], held[0]), max(wanted[-1], held[-1]) + 1)
        first, last = max(date(years[0], 1, 1), self._first), min(date(years[-1], 12, 31), self._last)
        self._sessions = _read_sessions(self._calendar, first, last)
        self._opens = [session.open for session in self._sessions]
        self._closes = [session.close for session in self._sessions]
        self._years = years


def load_market_calendar(name: str) -> MarketCalendar:
    """Return the market of this name: by ISO 10383 (`XNYS`), or as the library calls it (`NASDAQ`, `24/7`).

    Raises SettingsError if the library is not installed, does not know the market, or its calendar has ended.
    """
    # Settings are upper case; a few of the library's names are not.
    known = {each.upper(): each for each in _library().get_calendar_names()}
    if name.upper() not in known:
        near = get_close_matches(name.upper(), known, n=4, cutoff=0.5) or ["XNYS", "XLON", "XETR", "XTKS"]
        raise SettingsError(f"STOCKWIRE_MARKET: {name!r} is not a known market: use one such as {', '.join(near)}")
    market = MarketCalendar(name, known[name.upper()])
    market.is_open(utc_now())
    return market


def _library() -> Any:
    """Import the library only when needed: it takes half a second and much memory, and is optional."""
    try:
        import exchange_calendars  # type: ignore[import-untyped]
    except ImportError as error:
        raise SettingsError(_NO_LIBRARY) from error
    return exchange_calendars


@cache
def _bounds(calendar: str) -> tuple[date, date]:
    """Return the first and the last day that the calendar is known for."""
    kind = _calendar_class(calendar)
    first, last = date(_FIRST_YEAR, 1, 1), date(_LAST_YEAR, 12, 31)
    lower, upper = kind.bound_min(), kind.bound_max()
    return (max(first, lower.date()) if lower else first), (min(last, upper.date()) if upper else last)


def _calendar_class(calendar: str) -> Any:
    """Return the library's class of a calendar, by way of a small one: by default the library computes 21 years."""
    start, end = _KNOWN_YEAR
    return type(_library().get_calendar(calendar, start=start, end=end))


# A few years take a tenth of a second, and each calendar that a process loads asks for the same ones.
@lru_cache(maxsize=16)
def _read_sessions(calendar: str, first: date, last: date) -> Sequence[Session]:
    found = _library().get_calendar(calendar, start=first.isoformat(), end=last.isoformat())
    opens, closes = _instants(found.opens_nanos), _instants(found.closes_nanos)
    lunches = zip(_instants(found.break_starts_nanos), _instants(found.break_ends_nanos), strict=True)
    return [
        Session(day, opening, closing, (begin, end) if begin.year >= _FIRST_YEAR else None)
        for day, opening, closing, (begin, end) in zip(found.sessions.date, opens, closes, lunches, strict=True)
    ]


def _instants(nanos: Any) -> list[datetime]:
    return [from_micros(each // 1000) for each in nanos.tolist()]
