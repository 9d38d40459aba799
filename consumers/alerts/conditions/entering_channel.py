"""`AAPL entering channel 180 200`: the previous price was outside, this one is inside."""

from collections.abc import Sequence

from consumers.alerts.conditions.base import Region
from consumers.alerts.conditions.channel import Channel
from consumers.alerts.conditions.metrics import Sample


class EnteringChannel(Channel):
    phrase = "entering channel"
    form = "entering channel LOW HIGH"
    example = "AAPL entering channel 180 200"
    is_state = False

    def regions(self) -> Sequence[Region]:
        return self.inside()

    def is_true(self, sample: Sample) -> bool:
        return self.is_inside(sample)


CONDITION = EnteringChannel
