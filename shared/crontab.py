"""The five fields of a crontab, as cron reads them: Sunday is 0 or 7, and a name belongs to its own field."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

_PART = re.compile(r"(?:\*|(?P<first>\w+)(?:-(?P<last>\w+))?)(?:/(?P<step>\d{1,3}))?", re.ASCII)
_LONGEST_MONTHS = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


@dataclass(frozen=True)
class _Field:
    """A field's name, its least and greatest value, and the names of its values from the least one on."""

    name: str
    least: int
    greatest: int
    names: tuple[str, ...] = ()

    def expand(self, text: str) -> Iterator[int]:
        """Yield the values that `1-5,10` means. Raises ValueError."""
        for part in text.split(","):
            found = _PART.fullmatch(part)
            if not found or (found["step"] and found["first"] and not found["last"]) or found["step"] in ("0", "00"):
                raise ValueError(f"{part!r} is not a {self.name}, a range such as 1-5, or a step such as */5")
            values = self._range(found["first"], found["last"])
            yield from values[:: int(found["step"] or 1)]

    def _range(self, first: str | None, last: str | None) -> Sequence[int]:
        if first is None:
            return range(self.least, self.greatest + 1)
        start = self._value(first)
        end = start if last is None else self._value(last)
        if end >= start:
            return range(start, end + 1)
        # Such as fri-mon.
        return [*range(start, self.greatest + 1), *range(self.least, end + 1)]

    def _value(self, text: str) -> int:
        if text[:3].lower() in self.names and text.isalpha():
            return self.least + self.names.index(text[:3].lower())
        # Sunday may be 7 in a day of the week; the values are those of Celery, where it is 0.
        greatest = self.greatest + (self.name == "day of the week")
        if not text.isdecimal() or not self.least <= int(text[:5]) <= greatest:
            raise ValueError(f"{text[:20]!r} is not a {self.name} ({self.least}-{greatest})")
        return int(text)


_FIELDS = (
    _Field("minute", 0, 59),
    _Field("hour", 0, 23),
    _Field("day of the month", 1, 31),
    _Field("month", 1, 12, ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")),
    _Field("day of the week", 0, 6, ("sun", "mon", "tue", "wed", "thu", "fri", "sat")),
)


def expand_crontab(words: Sequence[str]) -> tuple[frozenset[int], ...]:
    """Return the values of minute, hour, day of the month, month and day of the week, with Sunday as 0.

    Raises ValueError, also for a date that never comes.
    """
    values = [frozenset(field.expand(word)) for field, word in zip(_FIELDS, words, strict=True)]
    _, _, days, months, _ = values
    if min(days) > max(_LONGEST_MONTHS[month - 1] for month in months):
        raise ValueError(f"day {min(days)} never comes in these months")
    return (*values[:4], frozenset(day % 7 for day in values[4]))
