"""`AAPL crossing down 200`: previous price > 200 >= price."""

from collections.abc import Sequence

from consumers.alerts.conditions.base import Direction, Region
from consumers.alerts.conditions.metrics import Sample
from consumers.alerts.conditions.price_condition import PriceCondition


class CrossingDown(PriceCondition):
    phrase = "crossing down"
    form = "crossing down PRICE"
    example = "AAPL crossing down 150"
    is_state = False
    rearms = Direction.UP

    def regions(self) -> Sequence[Region]:
        return [Region(high=float(self.price))]

    def is_true(self, sample: Sample) -> bool:
        return sample.value <= self.price


CONDITION = CrossingDown
