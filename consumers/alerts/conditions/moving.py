"""The base of `moving up` and `moving down`: by percent or by an amount, in a window or since the last close."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Context, Decimal
from typing import Self

from consumers.alerts.conditions.base import Condition, divide
from consumers.alerts.conditions.metrics import Kind, Metric, Sample, Span, parse_span
from shared.prices import format_price, read_price

# Digits enough for the product of two numbers of 15 digits that differ in size.
_EXACT = Context(prec=100)
_SINCE_CLOSE = ["since", "close"]


@dataclass(frozen=True, slots=True)
class Moving(Condition):
    """A condition on the change since the oldest price of a window, or since the last close if `span` is None."""

    change: Decimal
    percent: bool
    span: Span | None

    @classmethod
    def parse(cls, words: Sequence[str]) -> Self:
        if not words:
            raise ValueError("the change is missing")
        change, percent = _parse_change(words[0])
        return cls(change, percent, _parse_reference(words[1:]))

    @property
    def metric(self) -> Metric:
        kind = Kind.PERCENT if self.percent else Kind.AMOUNT
        return Metric(kind, None if self.span is None else self.span.duration)

    @property
    def threshold(self) -> Decimal:
        return self.change

    def rescaled(self, ratio: Decimal) -> Self:
        return self if self.percent else replace(self, change=divide(self.change, ratio))

    def __str__(self) -> str:
        sign = "%" if self.percent else ""
        reference = "since close" if self.span is None else f"in {self.span}"
        return f"{self.phrase} {format_price(self.change)}{sign} {reference}"

    def has_risen(self, sample: Sample) -> bool:
        """Return True if the price is above the reference by the change, or more."""
        return sample.base is not None and sample.value >= self._moved(sample.base, self.change)

    def has_fallen(self, sample: Sample) -> bool:
        """Return True if the price is below the reference by the change, or more."""
        return sample.base is not None and sample.value <= self._moved(sample.base, -self.change)

    def _moved(self, base: Decimal, change: Decimal) -> Decimal:
        return _EXACT.multiply(base, _EXACT.add(1, change.scaleb(-2))) if self.percent else _EXACT.add(base, change)


def _parse_change(word: str) -> tuple[Decimal, bool]:
    number = word.removesuffix("%")
    try:
        return read_price(number), number != word
    except ValueError as error:
        raise ValueError(f"change {error}") from error


def _parse_reference(words: Sequence[str]) -> Span | None:
    lower = [word.lower() for word in words]
    if lower == _SINCE_CLOSE:
        return None
    if not words:
        raise ValueError("`in` with a duration, or `since close`, is missing")
    if lower[0] != "in" or len(words) > 2:
        wrong = words if lower[0] != "in" else words[2:]
        raise ValueError(f"{' '.join(wrong)!r} was not understood")
    if len(words) == 1:
        raise ValueError("the duration is missing")
    return parse_span(words[1])
