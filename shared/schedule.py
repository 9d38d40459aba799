"""The schedule of syncs: an interval, or a crontab of five fields in UTC."""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from shared.crontab import expand_crontab
from shared.times import format_duration, midnight_of, parse_duration

_MINUTES_PER_DAY = 24 * 60
# The 29th of February comes within eight years.
_MOST_DAYS = 8 * 366


@dataclass(frozen=True)
class Schedule:
    """Either `every` is set, or `crontab`: minute, hour, day of month, month, day of week."""

    every: timedelta | None = None
    crontab: tuple[str, str, str, str, str] | None = None

    @classmethod
    def parse(cls, text: str) -> "Schedule":
        """Read `5m` or `0 * * * *`. Raises ValueError."""
        words = text.split()
        if len(words) == 5:
            minute, hour, day_of_month, month, day_of_week = words
            schedule = cls(crontab=(minute, hour, day_of_month, month, day_of_week))
            schedule._expand()
            return schedule
        if len(words) > 1 or re.search(r"[*/,]", text):
            raise ValueError(f"{text!r} is not a crontab of five fields such as '0 * * * *'")
        return cls(every=parse_duration(text))

    def as_celery(self) -> Any:
        """Return a `celery.schedules.crontab` or `schedule`."""
        from celery.schedules import crontab, schedule

        if not self.crontab:
            return schedule(self.every)
        minute, hour, day_of_month, month, day_of_week = map(set, self._expand())
        return crontab(minute, hour, day_of_week, day_of_month, month)

    def minutes_of_day(self) -> tuple[int, ...]:
        """Return the minutes since midnight UTC at which a crontab runs, as if it ran every day; () for an interval."""
        if self.every:
            return ()
        minutes, hours, *_ = self._expand()
        return tuple(sorted(60 * hour + minute for hour in hours for minute in minutes))

    def shortest_interval(self) -> timedelta:
        """Return the shortest time between two runs; a crontab counts as if it ran every day."""
        if self.every:
            return self.every
        minutes = self.minutes_of_day()
        following = [*minutes[1:], minutes[0] + _MINUTES_PER_DAY]
        return timedelta(minutes=min(after - before for before, after in zip(minutes, following, strict=True)))

    def next_run(self, after: datetime) -> datetime | None:
        """Return the first run (UTC) after a run, or after any instant for a crontab. None if none comes for years."""
        if self.every:
            return after + self.every
        _, _, days, months, weekdays = self._expand()
        minutes = self.minutes_of_day()
        for day in (midnight_of(after) + timedelta(days=number) for number in range(_MOST_DAYS)):
            if day.day in days and day.month in months and day.isoweekday() % 7 in weekdays:
                runs = (day + timedelta(minutes=minute) for minute in minutes)
                if found := next((run for run in runs if run > after), None):
                    return found
        return None

    def __str__(self) -> str:
        return " ".join(self.crontab) if self.crontab else format_duration(self.every or timedelta())

    def _expand(self) -> tuple[frozenset[int], ...]:
        try:
            return expand_crontab(self.crontab or ())
        except ValueError as error:
            raise ValueError(f"{self} is not a crontab: {error}") from error
