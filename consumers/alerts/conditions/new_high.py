"""`AAPL new high in 52w`: the price is above every other price of the 52 weeks that end at `as_of`."""

from consumers.alerts.conditions.extreme import Extreme
from consumers.alerts.conditions.metrics import Kind, Sample


class NewHigh(Extreme):
    phrase = "new high"
    form = "new high in DURATION"
    example = "AAPL new high in 52w"
    kind = Kind.HIGH

    def is_true(self, sample: Sample) -> bool:
        return sample.base is not None and sample.value > sample.base


CONDITION = NewHigh
