"""`AAPL below 200`: true while price < 200."""

from collections.abc import Sequence
from math import inf, nextafter

from consumers.alerts.conditions.base import Direction, Region
from consumers.alerts.conditions.metrics import Sample
from consumers.alerts.conditions.price_condition import PriceCondition


class Below(PriceCondition):
    phrase = "below"
    form = "below PRICE"
    example = "AAPL below 150"
    rearms = Direction.UP

    def regions(self) -> Sequence[Region]:
        return [Region(high=nextafter(float(self.price), -inf))]

    def is_true(self, sample: Sample) -> bool:
        return sample.value < self.price


CONDITION = Below
