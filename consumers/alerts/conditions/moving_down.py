"""`AAPL moving down 5% in 1h`: the price is at least 5 % below the oldest price of the hour that ends at `as_of`."""

from collections.abc import Sequence

from consumers.alerts.conditions.base import Region
from consumers.alerts.conditions.metrics import Sample
from consumers.alerts.conditions.moving import Moving


class MovingDown(Moving):
    phrase = "moving down"
    form = "moving down CHANGE in DURATION (or since close), the change in percent or as an amount"
    example = "AAPL moving down 5% since close"

    def regions(self) -> Sequence[Region]:
        return [Region(high=-float(self.change))]

    def is_true(self, sample: Sample) -> bool:
        return self.has_fallen(sample)


CONDITION = MovingDown
