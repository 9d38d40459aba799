"""`AAPL crossing 200`: previous price < 200 <= price, or previous price > 200 >= price."""

from collections.abc import Sequence

from consumers.alerts.conditions.base import Region
from consumers.alerts.conditions.metrics import Sample
from consumers.alerts.conditions.price_condition import PriceCondition


class Crossing(PriceCondition):
    phrase = "crossing"
    form = "crossing PRICE"
    example = "AAPL crossing 200"
    is_state = False

    def regions(self) -> Sequence[Region]:
        return [Region(low=float(self.price)), Region(high=float(self.price))]

    def is_true(self, sample: Sample) -> bool:
        return sample.value == self.price

    def happens(self, before: Sample, now: Sample) -> bool:
        return before.value < self.price <= now.value or before.value > self.price >= now.value


CONDITION = Crossing
