"""The numbers of a symbol at one event, made exact only where a rule asks for them."""

from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal

from consumers.alerts.conditions.metrics import Kind, Metric, Sample
from shared.prices import from_float

Bases = Mapping[Metric, float | None]


class Numbers:
    """The numbers that an event has, and those of windows, of which only the base is kept: a price as a float.

    Floats keep the 15 digits of a price, so they compare and convert exactly. A change in percent is rounded.
    """

    __slots__ = ("_bases", "_price", "_samples")

    def __init__(
        self, samples: Mapping[Metric, Sample] | None = None, price: Decimal | None = None, bases: Bases | None = None
    ) -> None:
        self._samples = samples or {}
        self._price = price
        self._bases = bases or {}

    def get(self, metric: Metric) -> Sample | None:
        """Return a number, or None if the event does not have it."""
        if metric not in self._bases or self._price is None:
            return self._samples.get(metric)
        base = self._bases[metric]
        return Sample(self._price, None if base is None else from_float(base))

    def positions(self, metrics: Iterable[Metric], price: float) -> Iterator[tuple[Metric, float]]:
        """Yield the places of the numbers that the event has, as `position` returns them."""
        bases = self._bases
        for metric in metrics:
            base = bases.get(metric)
            if base is not None:
                yield metric, _position(metric.kind, price, base)
            elif (position := self.position(metric, price)) is not None:
                yield metric, position

    def position(self, metric: Metric, price: float) -> float | None:
        """Return the place of a number on its line, or None if the event does not have it. `price` is the event's."""
        if metric in self._bases:
            base = self._bases[metric]
            return 0.0 if base is None else _position(metric.kind, price, base)
        if metric.kind == Kind.PRICE:
            return price if metric in self._samples else None
        sample = self._samples.get(metric)
        return None if sample is None else metric.position(sample)


def _position(kind: str, price: float, base: float) -> float:
    """Return the same as `Metric.position`, from floats."""
    if kind == Kind.PERCENT:
        return (price / base - 1) * 100
    if kind == Kind.AMOUNT:
        return price - base
    return float(price > base if kind == Kind.HIGH else price < base)


NO_NUMBERS = Numbers()
