"""`AAPL volume above 1000000`: true while the volume of the event is greater."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from math import inf, nextafter
from typing import Self

from consumers.alerts.conditions.base import Condition, Region, take_words
from consumers.alerts.conditions.metrics import Kind, Metric, Sample
from shared.prices import format_price, read_price


@dataclass(frozen=True, slots=True)
class VolumeAbove(Condition):
    volume: Decimal

    phrase = "volume above"
    form = "volume above SHARES"
    example = "AAPL volume above 1000000"

    @classmethod
    def parse(cls, words: Sequence[str]) -> Self:
        (word,) = take_words(words, ["a volume"])
        try:
            return cls(read_price(word))
        except ValueError as error:
            raise ValueError(f"volume {error}") from error

    @property
    def metric(self) -> Metric:
        return Metric(Kind.VOLUME)

    @property
    def threshold(self) -> Decimal:
        return self.volume

    def regions(self) -> Sequence[Region]:
        return [Region(low=nextafter(float(self.volume), inf))]

    def is_true(self, sample: Sample) -> bool:
        return sample.value > self.volume

    def __str__(self) -> str:
        return f"{self.phrase} {format_price(self.volume)}"


CONDITION = VolumeAbove
