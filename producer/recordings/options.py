"""Options for reading a file of recorded prices. The parsers of their texts raise ValueError."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo
from enum import StrEnum
from io import BytesIO, TextIOWrapper

from shared.times import canonical_interval, parse_duration, parse_interval

DAY = timedelta(days=1)
# Two days that no format mixes up unless it lacks year, month or day.
_SAMPLES = (datetime(2019, 11, 23, 17, 45, 58, tzinfo=UTC), datetime(1987, 2, 5, 6, 7, 9, tzinfo=UTC))


class Stamp(StrEnum):
    """The end of a bar that a file gives as its time."""

    START = "start"
    END = "end"


@dataclass(frozen=True)
class ReadingOptions:
    """Facts that a file does not tell itself; the defaults suit a file that tells everything.

    `columns` maps a field, such as `price`, to the name or the number (from 1) of its column. `interval` is the length
    of the file's bars in canonical spelling, and `stamp` tells if a file has the starts of bars shorter than a day.
    """

    symbol: str | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    has_header: bool = True
    date_format: str | None = None
    zone: tzinfo = UTC
    encoding: str | None = None
    interval: str | None = None
    stamp: Stamp = Stamp.START

    def time_shift(self) -> timedelta:
        """Return the time from a row's time to the `as_of` of its bar: only short bars have the time of their end."""
        length = bar_length(self.interval)
        return length if length is not None and length < DAY and self.stamp is Stamp.START else timedelta()


def bar_length(interval: str | None) -> timedelta | None:
    """Return the length of bars of up to a day; None without an interval, and a day for weeks and months."""
    if interval is None:
        return None
    return DAY if interval.endswith(("w", "mo")) else min(parse_duration(interval), DAY)


def parse_bar_interval(text: str) -> str:
    """Return the canonical spelling of `1d`, `60m`, `1w` or `1mo`."""
    return canonical_interval(parse_interval(text))


def parse_columns(texts: Iterable[str]) -> dict[str, str]:
    """Return the columns by field of `time=1,close=Schlusskurs`."""
    columns: dict[str, str] = {}
    for part in (part for text in texts for part in text.split(",") if part.strip()):
        name, equals, column = part.partition("=")
        name = name.strip().lower()
        if not equals or not name or not column.strip():
            raise ValueError(f"{part.strip()!r} is not NAME=COLUMN, such as price=Schlusskurs or time=1")
        if name in columns:
            raise ValueError(f"{name} is given twice")
        columns[name] = column.strip()
    return columns


def check_date_format(text: str) -> str:
    """Return the format of `strptime`, which must hold year, month and day."""
    for sample in _SAMPLES:
        try:
            read = datetime.strptime(sample.strftime(text), text)  # noqa: DTZ007 - only its date counts
        except ValueError as error:
            raise ValueError(f"{text!r} is not a date format such as %d/%m/%Y or %m/%d/%Y %H:%M") from error
        if read.date() != sample.date():
            raise ValueError(f"{text!r} lacks year, month or day: %d/%m/%Y has them all")
    return text


def has_time_of_day(date_format: str) -> bool:
    """Return True if the format holds an hour, so that the text is a time and not a date."""
    one, other = (sample.strftime(date_format) for sample in (_SAMPLES[0], _SAMPLES[0].replace(hour=5)))
    return one != other


def check_encoding(text: str) -> str:
    """Return the name of an encoding of text that Python knows."""
    try:
        TextIOWrapper(BytesIO(), encoding=text).close()
    except (LookupError, ValueError) as error:
        raise ValueError(f"{text[:40]!r} is not an encoding such as latin-1, cp1252 or utf-16-le") from error
    return text
