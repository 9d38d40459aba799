"""When the sync runs: every so often, or by a five-field crontab in UTC."""

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from shared.times import format_duration, parse_duration

_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Schedule:
    """`every` is set for a duration, `crontab` (minute, hour, day of month, month, day of week) for the other form."""

    every: timedelta | None = None
    crontab: tuple[str, str, str, str, str] | None = None

    @classmethod
    def parse(cls, text: str) -> "Schedule":
        """`5m`, or `0 * * * *`. Raises ValueError for any other form."""
        words = text.split()
        if len(words) == 5:
            minute, hour, day_of_month, month, day_of_week = words
            schedule = cls(crontab=(minute, hour, day_of_month, month, day_of_week))
            schedule.as_celery()
            return schedule
        if len(words) > 1 or re.search(r"[*/,]", text):
            raise ValueError(f"{text!r} is no crontab of five fields such as '0 * * * *'")
        return cls(every=parse_duration(text))

    def as_celery(self) -> Any:
        """A `celery.schedules.crontab` or `schedule`. Raises ValueError for a crontab that Celery does not take."""
        from celery.schedules import ParseException, crontab, schedule

        if not self.crontab:
            return schedule(self.every)
        minute, hour, day_of_month, month, day_of_week = self.crontab
        try:
            return crontab(minute, hour, day_of_week, day_of_month, month)
        except (ParseException, ValueError) as error:
            raise ValueError(f"{self} is no crontab: {error}") from error

    def shortest(self) -> timedelta:
        """The shortest time between two runs; of a crontab by its minutes and hours, as if it ran every day."""
        if self.every:
            return self.every
        crontab = self.as_celery()
        minutes = sorted(60 * hour + minute for hour in crontab.hour for minute in crontab.minute)
        following = [*minutes[1:], minutes[0] + _DAY // timedelta(minutes=1)]
        return timedelta(minutes=min(after - before for before, after in zip(minutes, following, strict=True)))

    def __str__(self) -> str:
        return " ".join(self.crontab) if self.crontab else format_duration(self.every or timedelta())
