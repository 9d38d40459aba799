"""The prices of one symbol that windows need: `moving up 5% in 1h`, `new high in 52w`."""

from array import array
from bisect import bisect_left
from collections import deque
from collections.abc import Collection, Iterable
from datetime import timedelta
from decimal import Decimal
from operator import ge, le

from consumers.alerts.conditions.metrics import Kind, Metric, Sample
from shared.prices import from_float

_MICROSECOND = timedelta(microseconds=1)
_MOVES = (Kind.PERCENT, Kind.AMOUNT)
# Prices that no window needs any more are forgotten in parts of at least this many.
_PART = 256


class PriceWindow:
    """Prices in the order of their times, and what each window makes of the newest.

    Times are microseconds since 1970, and prices are floats, from which `from_float` gives the decimals back: a price
    takes 16 bytes.
    """

    def __init__(self, rows: Iterable[tuple[int, float]] = ()) -> None:
        self._times = array("q")
        self._prices = array("d")
        self._extremes: dict[Metric, _Extreme] = {}
        for at, price in rows:
            self._times.append(at)
            self._prices.append(price)

    def __len__(self) -> int:
        return len(self._times)

    def samples(self, metrics: Collection[Metric], at: int, price: Decimal) -> dict[Metric, Sample]:
        """Return the numbers of windows that end at the time `at` of the newest price, which was added before."""
        return {metric: self._sample(metric, at, price) for metric in metrics}

    def samples_at(self, metrics: Collection[Metric], at: int, price: Decimal) -> dict[Metric, Sample]:
        """Return the numbers as of a price that may not be the newest. Slow; for the first event after a start."""
        end = bisect_left(self._times, at + 1)
        earlier = PriceWindow(zip(self._times[:end], self._prices[:end], strict=True))
        if not end or self._times[end - 1] != at:
            # No window needed this price when it came.
            earlier.add(at, float(price))
        return earlier.samples(metrics, at, price)

    def add(self, at: int, price: float) -> None:
        """Add a price that is newer than all others."""
        self._times.append(at)
        self._prices.append(price)
        for extreme in self._extremes.values():
            extreme.add(at, price)

    def forget_from(self, at: int) -> None:
        """Forget the prices from a time on, which came from the stored history before the first event."""
        while self._times and self._times[-1] >= at:
            self._times.pop()
            self._prices.pop()
            self._extremes.clear()

    def forget_before(self, at: int) -> int | None:
        """Forget the prices before a time, if they are many; return the time before which none is left, else None."""
        count = bisect_left(self._times, at)
        if count < _PART or count < len(self._times) // 4:
            return None
        del self._times[:count], self._prices[:count]
        return at

    def _sample(self, metric: Metric, at: int, price: Decimal) -> Sample:
        since = at - (metric.window or timedelta()) // _MICROSECOND
        oldest = bisect_left(self._times, since)
        if metric.kind in _MOVES:
            return Sample(price, from_float(self._prices[oldest]))
        # Half the window must be known, without the newest price itself.
        if len(self._times) - oldest < 2 or 2 * (at - self._times[oldest]) < at - since:
            return Sample(price)
        return Sample(price, from_float(self._extreme(metric).before_newest(since)))

    def _extreme(self, metric: Metric) -> "_Extreme":
        found = self._extremes.get(metric)
        if found is None:
            found = self._extremes[metric] = _Extreme(highest=metric.kind is Kind.HIGH)
            for at, price in zip(self._times, self._prices, strict=True):
                found.add(at, price)
        return found


class _Extreme:
    """The highest or lowest price of a sliding window, without the newest price.

    Of the older prices only those are kept that no later price reaches, so the first one is the extreme.
    """

    def __init__(self, *, highest: bool) -> None:
        self._beats = ge if highest else le
        self._kept: deque[tuple[int, float]] = deque()
        self._newest: tuple[int, float] | None = None

    def add(self, at: int, price: float) -> None:
        if self._newest is not None:
            while self._kept and self._beats(self._newest[1], self._kept[-1][1]):
                self._kept.pop()
            self._kept.append(self._newest)
        self._newest = (at, price)

    def before_newest(self, since: int) -> float:
        """Return the extreme of the prices from `since` to before the newest, of which there must be one."""
        while self._kept[0][0] < since:
            self._kept.popleft()
        return self._kept[0][1]
