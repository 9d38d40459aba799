"""`AAPL no data for 30m`: no event has arrived for 30 minutes by our clock, and the queue is empty."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Self

from consumers.alerts.conditions.base import Condition, Region, take_words
from consumers.alerts.conditions.metrics import Kind, Metric, Sample, Span, parse_span


@dataclass(frozen=True, slots=True)
class NoData(Condition):
    """A condition on the seconds since the last event; time in which the market is closed does not count."""

    span: Span

    phrase = "no data"
    form = "no data for DURATION"
    example = "AAPL no data for 30m"
    allows_for = False

    @classmethod
    def parse(cls, words: Sequence[str]) -> Self:
        word, duration = take_words(words, ["`for`", "the duration"])
        if word.lower() != "for":
            raise ValueError(f"{word!r} was not understood")
        return cls(parse_span(duration))

    @property
    def metric(self) -> Metric:
        return Metric(Kind.SILENCE)

    @property
    def threshold(self) -> None:
        return None

    @property
    def seconds(self) -> Decimal:
        return Decimal(int(self.span.duration.total_seconds()))

    def regions(self) -> Sequence[Region]:
        return [Region(low=float(self.seconds))]

    def is_true(self, sample: Sample) -> bool:
        return sample.value >= self.seconds

    def __str__(self) -> str:
        return f"{self.phrase} for {self.span}"


CONDITION = NoData
