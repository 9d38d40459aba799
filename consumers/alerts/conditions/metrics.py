"""The numbers that conditions compare with their levels: price, volume, change in a window, and so on.

Each number of a symbol has a position on a line. A state condition is true in regions of that line, so an event can
change only the rules with an end of a region between the last position and the new one. That is what the index of the
rules finds, whatever the condition.
"""

from datetime import timedelta
from decimal import Decimal
from typing import NamedTuple

from shared.times import format_duration, parse_duration

_WEEK = timedelta(weeks=1)


class Kind:
    """The kinds of numbers, as plain texts: they are looked up several times per event, and an enum hashes slowly.

    A change has a window, or is the change since the last close.
    """

    PRICE = "price"
    VOLUME = "volume"
    PERCENT = "percent"
    AMOUNT = "amount"
    HIGH = "high"
    LOW = "low"
    SILENCE = "silence"


# The kinds that may have a window.
WINDOWS = (Kind.PERCENT, Kind.AMOUNT, Kind.HIGH, Kind.LOW)


class Sample(NamedTuple):
    """A number, and what it is compared with: the oldest price, the last close, or the highest or lowest price.

    `base` is None if nothing is to be compared, and if there is nothing to compare with.
    """

    value: Decimal
    base: Decimal | None = None


class Span(NamedTuple):
    """A length of time, with the text that people wrote: `52w`."""

    duration: timedelta
    text: str

    def __str__(self) -> str:
        return self.text


class Metric(NamedTuple):
    """A number of a symbol. `window` is None for a number without a window."""

    kind: str
    window: timedelta | None = None

    @property
    def key(self) -> str:
        """Return the text by which the database knows the number: `price`, `percent 1h`."""
        return self.kind if self.window is None else f"{self.kind} {format_duration(self.window)}"

    @classmethod
    def of_key(cls, key: str) -> "Metric":
        """Return the number that has this key."""
        kind, _, window = key.partition(" ")
        return cls(kind, parse_duration(window) if window else None)

    def position(self, sample: Sample) -> float:
        """Return the place of a number on its line."""
        return _POSITIONS[self.kind](sample)


def parse_span(text: str) -> Span:
    """Return the length of `30m`, `1h`, `7d` or `52w`. Raises ValueError."""
    number, unit = text[:-1], text[-1:].lower()
    try:
        if unit == "w" and number.isascii() and number.isdigit() and 0 < int(number) < 10_000:
            return Span(int(number) * _WEEK, f"{int(number)}w")
        duration = parse_duration(text.lower())
    except ValueError as error:
        raise ValueError(f"{text[:40]!r} is not a duration such as 30m, 1h, 7d or 52w") from error
    return Span(duration, format_duration(duration))


def _value(sample: Sample) -> float:
    return float(sample.value)


def _percent(sample: Sample) -> float:
    return 0.0 if sample.base is None else (float(sample.value) / float(sample.base) - 1) * 100


def _amount(sample: Sample) -> float:
    return 0.0 if sample.base is None else float(sample.value) - float(sample.base)


def _is_high(sample: Sample) -> float:
    return 0.0 if sample.base is None else float(sample.value > sample.base)


def _is_low(sample: Sample) -> float:
    return 0.0 if sample.base is None else float(sample.value < sample.base)


_POSITIONS = {
    Kind.PRICE: _value,
    Kind.VOLUME: _value,
    Kind.PERCENT: _percent,
    Kind.AMOUNT: _amount,
    Kind.HIGH: _is_high,
    Kind.LOW: _is_low,
    Kind.SILENCE: _value,
}
