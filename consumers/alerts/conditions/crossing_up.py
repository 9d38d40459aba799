"""`AAPL crossing up 200`: previous price < 200 <= price."""

from collections.abc import Sequence

from consumers.alerts.conditions.base import Direction, Region
from consumers.alerts.conditions.metrics import Sample
from consumers.alerts.conditions.price_condition import PriceCondition


class CrossingUp(PriceCondition):
    phrase = "crossing up"
    form = "crossing up PRICE"
    example = "AAPL crossing up 200"
    is_state = False
    rearms = Direction.DOWN

    def regions(self) -> Sequence[Region]:
        return [Region(low=float(self.price))]

    def is_true(self, sample: Sample) -> bool:
        return sample.value >= self.price


CONDITION = CrossingUp
