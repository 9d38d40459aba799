"""The base of conditions on a channel: two prices and the prices between them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from math import inf, nextafter
from typing import Self

from consumers.alerts.conditions.base import PRICE, Condition, Region, divide, parse_price_word, take_words
from consumers.alerts.conditions.metrics import Metric, Sample
from shared.prices import format_price


@dataclass(frozen=True, slots=True)
class Channel(Condition):
    """A condition with the lower and the upper price of a channel. Both belong to the channel."""

    low: Decimal
    high: Decimal

    @classmethod
    def parse(cls, words: Sequence[str]) -> Self:
        low, high = map(parse_price_word, take_words(words, ["the lower price", "the upper price"]))
        if low >= high:
            raise ValueError(f"{' '.join(words)!r} is not a channel: write the lower price first")
        return cls(low, high)

    @property
    def metric(self) -> Metric:
        return PRICE

    @property
    def threshold(self) -> None:
        return None

    def rescaled(self, ratio: Decimal) -> Self:
        return replace(self, low=divide(self.low, ratio), high=divide(self.high, ratio))

    def __str__(self) -> str:
        return f"{self.phrase} {format_price(self.low)} {format_price(self.high)}"

    def is_inside(self, sample: Sample) -> bool:
        return self.low <= sample.value <= self.high

    def inside(self) -> Sequence[Region]:
        return [Region(float(self.low), float(self.high))]

    def outside(self) -> Sequence[Region]:
        below = Region(high=nextafter(float(self.low), -inf))
        return [below, Region(low=nextafter(float(self.high), inf))]
