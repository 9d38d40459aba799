"""`AAPL outside channel 180 200`: true while price < 180 or price > 200."""

from collections.abc import Sequence

from consumers.alerts.conditions.base import Region
from consumers.alerts.conditions.channel import Channel
from consumers.alerts.conditions.metrics import Sample


class OutsideChannel(Channel):
    phrase = "outside channel"
    form = "outside channel LOW HIGH"
    example = "AAPL outside channel 180 200"

    def regions(self) -> Sequence[Region]:
        return self.outside()

    def is_true(self, sample: Sample) -> bool:
        return not self.is_inside(sample)


CONDITION = OutsideChannel
