"""`AAPL exiting channel 180 200`: the previous price was inside, this one is outside."""

from collections.abc import Sequence

from consumers.alerts.conditions.base import Region
from consumers.alerts.conditions.channel import Channel
from consumers.alerts.conditions.metrics import Sample


class ExitingChannel(Channel):
    phrase = "exiting channel"
    form = "exiting channel LOW HIGH"
    example = "AAPL exiting channel 180 200"
    is_state = False

    def regions(self) -> Sequence[Region]:
        return self.outside()

    def is_true(self, sample: Sample) -> bool:
        return not self.is_inside(sample)


CONDITION = ExitingChannel
