"""`AAPL new low in 52w`: the price is below every other price of the 52 weeks that end at `as_of`."""

from consumers.alerts.conditions.extreme import Extreme
from consumers.alerts.conditions.metrics import Kind, Sample


class NewLow(Extreme):
    phrase = "new low"
    form = "new low in DURATION"
    example = "AAPL new low in 52w"
    kind = Kind.LOW

    def is_true(self, sample: Sample) -> bool:
        return sample.base is not None and sample.value < sample.base


CONDITION = NewLow
