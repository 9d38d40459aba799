"""`AAPL moving up 5% in 1h`: the price is at least 5 % above the oldest price of the hour that ends at `as_of`."""

from collections.abc import Sequence

from consumers.alerts.conditions.base import Region
from consumers.alerts.conditions.metrics import Sample
from consumers.alerts.conditions.moving import Moving


class MovingUp(Moving):
    phrase = "moving up"
    form = "moving up CHANGE in DURATION (or since close), the change in percent or as an amount"
    example = "AAPL moving up 5% in 1h"

    def regions(self) -> Sequence[Region]:
        return [Region(low=float(self.change))]

    def is_true(self, sample: Sample) -> bool:
        return self.has_risen(sample)


CONDITION = MovingUp
