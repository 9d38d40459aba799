"""`AAPL above 200`: true while price > 200."""

from collections.abc import Sequence
from math import inf, nextafter

from consumers.alerts.conditions.base import Direction, Region
from consumers.alerts.conditions.metrics import Sample
from consumers.alerts.conditions.price_condition import PriceCondition


class Above(PriceCondition):
    phrase = "above"
    form = "above PRICE"
    example = "AAPL above 200"
    rearms = Direction.DOWN

    def regions(self) -> Sequence[Region]:
        return [Region(low=nextafter(float(self.price), inf))]

    def is_true(self, sample: Sample) -> bool:
        return sample.value > self.price


CONDITION = Above
