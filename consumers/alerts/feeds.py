"""The prices of one symbol as its rules see them: which events count, and what each number was and is.

Nothing here reads a clock or a database, so a dry run takes the same steps as the consumer.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from consumers.alerts.conditions.metrics import Kind, Metric, Sample
from consumers.alerts.numbers import NO_NUMBERS, Numbers
from consumers.alerts.split_guard import due_splits, suspected_ratio
from consumers.alerts.watermarks import Watermark, comparable, watermark_of
from consumers.alerts.windows import PriceWindow
from shared.events import StockData
from shared.splits import Split
from shared.times import to_micros


class Observation(NamedTuple):
    """An event that counts: the price before it, if the two may be compared, and the numbers at both."""

    event: StockData
    previous: Watermark | None
    before: Numbers
    now: Numbers
    is_new_world: bool = False


@dataclass(frozen=True, slots=True)
class Hold:
    """A jump that may be a split, and the newest price since then. A released hold is of use until the next price."""

    as_of: datetime
    price: Decimal
    previous_price: Decimal
    ratio: Decimal
    last_as_of: datetime
    last_price: Decimal
    released: bool = False


class SymbolFeed:
    """The newest price of a symbol, the prices of its windows, and its hold."""

    def __init__(
        self,
        mark: Watermark | None = None,
        hold: Hold | None = None,
        seen_at: datetime | None = None,
        late: tuple[datetime, str] | None = None,
    ) -> None:
        self.mark = mark
        self.hold = hold
        self.seen_at = seen_at
        # Time and provider of the newest event, if it was late.
        self.late = late
        self.window: PriceWindow | None = None
        # Known splits that are not applied yet.
        self.splits: Sequence[Split] = ()
        # What the windows compared the last price with.
        self._bases: dict[Metric, float | None] = {}

    def open_window(self, rows: Iterable[tuple[int, float]]) -> None:
        """Take the prices that windows need, oldest first."""
        self.window = PriceWindow(rows)
        self._bases = {}

    def observe(
        self,
        event: StockData,
        revision: int,
        metrics: Collection[Metric],
        clock: datetime | None = None,
        *,
        guarded: bool = True,
    ) -> Observation | Hold | None:
        """Take an event and return its observation, a new hold, or None for an event that is late or held.

        `metrics` are the numbers that rules of the symbol need, and `revision` is that of the newest rule. `clock` is
        our time, beyond which no price is trusted; by default that of the event. Only with `guarded` a jump
        that may be a split is held.
        """
        known = self.mark is not None
        previous = comparable(self.mark, event, clock or event.observed_at)
        if known and previous is None:
            self._enter_new_world()
        as_of, price = event.as_of, event.price
        last = self._last()
        if last is not None:
            if as_of <= last[0]:
                # A repeated event is not late.
                self.late = (as_of, event.provider) if as_of < last[0] else self.late
                return None
            self.late = None
            if self.hold is not None and not self.hold.released:
                self._remember(as_of, price)
                self.hold = replace(self.hold, last_as_of=as_of, last_price=price)
                return None
            ratio = suspected_ratio(last, (as_of, price)) if guarded else None
            if ratio is not None:
                self._fill_bases(metrics)
                self._remember(as_of, price)
                self.hold = Hold(as_of, price, last[1], ratio, as_of, price)
                return self.hold
        before = self.numbers(metrics) if previous is not None else NO_NUMBERS
        self._remember(as_of, price)
        self.hold = None
        self.mark = watermark_of(event, revision, previous)
        if self.window is not None:
            windows = [metric for metric in metrics if metric.window is not None]
            self._bases = self.window.bases(windows, to_micros(as_of))
        now = Numbers(_numbers_of(event, price, metrics), price, self._bases)
        return Observation(event, previous, before, now, known and previous is None)

    def due_splits(self, event: StockData, clock: datetime) -> Sequence[Split]:
        """Return the known splits to apply before an event is observed."""
        last = self._last()
        if not self.splits or last is None or event.as_of <= last[0]:
            return ()
        is_held = self.hold is not None and not self.hold.released
        if is_held or comparable(self.mark, event, clock) is None:
            return ()
        return due_splits(self.splits, last, (event.as_of, event.price))

    def numbers(self, metrics: Collection[Metric]) -> Numbers:
        """Return the numbers at the newest price that counted."""
        mark = self.mark
        if mark is None:
            return NO_NUMBERS
        self._fill_bases(metrics)
        found = {metric: mark.sample(metric) for metric in metrics if metric.window is None}
        samples = {metric: sample for metric, sample in found.items() if sample is not None}
        return Numbers(samples, mark.price, self._bases)

    def _last(self) -> tuple[datetime, Decimal] | None:
        """Return time and price of the newest event, which a hold has kept from counting."""
        if self.hold is not None:
            return self.hold.last_as_of, self.hold.last_price
        return None if self.mark is None else (self.mark.as_of, self.mark.price)

    def _enter_new_world(self) -> None:
        self.mark = self.hold = None
        self._bases = {}
        if self.window is not None:
            self.window = PriceWindow()

    def _remember(self, as_of: datetime, price: Decimal) -> None:
        if self.window is not None:
            at = to_micros(as_of)
            self.window.forget_from(at)
            self.window.add(at, float(price))

    def _fill_bases(self, metrics: Collection[Metric]) -> None:
        """Measure the windows that end at the last price, if they were not measured then."""
        if self.window is None or self.mark is None:
            return
        missing = [metric for metric in metrics if metric.window is not None and metric not in self._bases]
        if missing:
            self._bases |= self.window.bases_at(missing, to_micros(self.mark.as_of), self.mark.price)


def _numbers_of(event: StockData, price: Decimal, metrics: Collection[Metric]) -> dict[Metric, Sample]:
    """Return the numbers of an event that need no window."""
    numbers: dict[Metric, Sample] = {}
    for metric in metrics:
        if metric.window is not None or metric.kind == Kind.SILENCE:
            continue
        if metric.kind == Kind.PRICE:
            numbers[metric] = Sample(price)
        elif metric.kind == Kind.VOLUME:
            if event.volume is not None:
                numbers[metric] = Sample(Decimal(event.volume))
        elif event.previous_close is not None:
            numbers[metric] = Sample(price, event.previous_close)
    return numbers
