"""When a market trades, by its exchange's calendar: holidays, half days and lunch breaks included.

Source: https://github.com/gerrymanoim/exchange_calendars, an optional install; nothing else imports it.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from difflib import get_close_matches
from typing import Any

from shared.errors import SettingsError
from shared.times import from_micros, utc_now

# What the library can reckon; its calendars are made for the years that are asked for, since one takes up to 2 s.
_FIRST_YEAR = 1970
_LAST_YEAR = 2100

_NO_LIBRARY = (
    "STOCKWIRE_MARKET needs a library that is not installed: .venv/bin/pip install -r requirements-market.txt"
    " (with Docker: docker compose build), or leave it unset"
)


@dataclass(frozen=True)
class Session:
    """One day's regular trading, from `open` until before `close` (UTC), but for the lunch break where there is one."""

    date: date
    open: datetime
    close: datetime
    lunch: tuple[datetime, datetime] | None = None

    def is_open(self, at: datetime) -> bool:
        return self.open <= at < self.close and not (self.lunch and self.lunch[0] <= at < self.lunch[1])


class MarketCalendar:
    """The sessions of one market; every instant is an aware datetime in UTC.

    The calendar may not reach to an instant: some begin late, and some are written down until the end of a year.
    """

    def __init__(self, name: str, calendar: str) -> None:
        """`calendar` is the library's name for it."""
        self.name = name
        self._calendar = calendar
        self._first, self._last = _bounds(calendar)
        self._years = range(0)
        self._sessions: list[Session] = []
        self._opens: list[datetime] = []
        self._closes: list[datetime] = []

    def is_open(self, at: datetime) -> bool:
        """Whether it trades: at the instant of the open it does, at that of the close it does not any more.

        Raises SettingsError where the calendar does not reach.
        """
        self._reach(at)
        return self._sessions[bisect_right(self._opens, at) - 1].is_open(at)

    def sessions(self, since: datetime, until: datetime) -> Sequence[Session]:
        """Those that overlap the time from `since` to before `until`, oldest first, as far as the calendar reaches."""
        self._cover(since, until)
        return self._sessions[bisect_right(self._closes, since) : bisect_left(self._opens, until)]

    def last_close(self, at: datetime) -> datetime:
        """The newest close of a session at or before `at`; a lunch break is none. Raises SettingsError."""
        self._reach(at)
        position = bisect_right(self._closes, at)
        if not position:
            raise self._out_of_reach()
        return self._closes[position - 1]

    def next_open(self, at: datetime) -> datetime:
        """When trading begins next after `at`, be it after a lunch break. Raises SettingsError."""
        self._reach(at)
        position = bisect_right(self._opens, at)
        lunch = self._sessions[position - 1].lunch
        if lunch and at < lunch[1]:
            return lunch[1]
        if position == len(self._opens):
            raise self._out_of_reach()
        return self._opens[position]

    def describe(self, at: datetime) -> str:
        """`XNYS is open`, or `XNYS is closed until 2026-11-23 14:30 UTC`. Raises SettingsError."""
        if self.is_open(at):
            return f"{self.name} is open"
        return f"{self.name} is closed until {self.next_open(at):%Y-%m-%d %H:%M} UTC"

    def _reach(self, at: datetime) -> None:
        """Raises SettingsError where `at` is before the first open or after the last close of the calendar."""
        self._cover(at, at)
        if not self._sessions or not self._opens[0] <= at < self._closes[-1]:
            raise self._out_of_reach()

    def _out_of_reach(self) -> SettingsError:
        return SettingsError(
            f"STOCKWIRE_MARKET: the calendar of {self.name} that is installed goes from {self._first} to {self._last}:"
            " .venv/bin/pip install --upgrade exchange_calendars, or leave it unset"
        )

    def _cover(self, since: datetime, until: datetime) -> None:
        """Have the sessions of these years, and of one on either side, where the close before and the next open are."""
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
    """The market of this name: by ISO 10383 (`XNYS`), or as the library calls it (`NASDAQ`, `24/7`).

    Raises SettingsError where the library is not installed, does not know the market, or only knows it as it was.
    """
    # Upper case is how settings come; a few of the library's names are not.
    known = {each.upper(): each for each in _library().get_calendar_names()}
    if name.upper() not in known:
        near = get_close_matches(name.upper(), known, n=4, cutoff=0.5) or ["XNYS", "XLON", "XETR", "XTKS"]
        raise SettingsError(f"STOCKWIRE_MARKET: {name!r} is no market that is known: use one such as {', '.join(near)}")
    market = MarketCalendar(name, known[name.upper()])
    market.is_open(utc_now())
    return market


def _library() -> Any:
    """Imported here: it takes half a second and much memory, and is there only where it is wanted."""
    try:
        import exchange_calendars  # type: ignore[import-untyped]
    except ImportError as error:
        raise SettingsError(_NO_LIBRARY) from error
    return exchange_calendars


def _bounds(calendar: str) -> tuple[date, date]:
    """The first and the last day that the calendar is known for."""
    kind = type(_library().get_calendar(calendar))
    first, last = date(_FIRST_YEAR, 1, 1), date(_LAST_YEAR, 12, 31)
    lower, upper = kind.bound_min(), kind.bound_max()
    return (max(first, lower.date()) if lower else first), (min(last, upper.date()) if upper else last)


def _read_sessions(calendar: str, first: date, last: date) -> list[Session]:
    found = _library().get_calendar(calendar, start=first.isoformat(), end=last.isoformat())
    opens, closes = _instants(found.opens_nanos), _instants(found.closes_nanos)
    lunches = zip(_instants(found.break_starts_nanos), _instants(found.break_ends_nanos), strict=True)
    return [
        Session(day, opening, closing, (begin, end) if begin.year >= _FIRST_YEAR else None)
        for day, opening, closing, (begin, end) in zip(found.sessions.date, opens, closes, lunches, strict=True)
    ]


def _instants(nanos: Any) -> list[datetime]:
    return [from_micros(each // 1000) for each in nanos.tolist()]
