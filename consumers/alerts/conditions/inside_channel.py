"""`AAPL inside channel 180 200`: true while 180 <= price <= 200."""

from collections.abc import Sequence

from consumers.alerts.conditions.base import Region
from consumers.alerts.conditions.channel import Channel
from consumers.alerts.conditions.metrics import Sample


class InsideChannel(Channel):
    phrase = "inside channel"
    form = "inside channel LOW HIGH"
    example = "AAPL inside channel 180 200"

    def regions(self) -> Sequence[Region]:
        return self.inside()

    def is_true(self, sample: Sample) -> bool:
        return self.is_inside(sample)


CONDITION = InsideChannel
