"""The base of `new high` and `new low`: the price beside every other price of a window."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Self

from consumers.alerts.conditions.base import Condition, Region, take_words
from consumers.alerts.conditions.metrics import Metric, Span, parse_span


@dataclass(frozen=True, slots=True)
class Extreme(Condition):
    """A condition on the highest or lowest other price of a window.

    The number to compare with is missing until the oldest other price is at least half the window old.
    """

    span: Span
    kind: ClassVar[str]

    @classmethod
    def parse(cls, words: Sequence[str]) -> Self:
        word, duration = take_words(words, ["`in`", "the duration"])
        if word.lower() != "in":
            raise ValueError(f"{word!r} was not understood")
        return cls(parse_span(duration))

    @property
    def metric(self) -> Metric:
        return Metric(self.kind, self.span.duration)

    @property
    def threshold(self) -> None:
        return None

    def regions(self) -> Sequence[Region]:
        return [Region(low=1)]

    def __str__(self) -> str:
        return f"{self.phrase} in {self.span}"
