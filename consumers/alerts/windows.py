"""The prices of one symbol that windows need: `moving up 5% in 1h`, `new high in 52w`."""

from array import array
from bisect import bisect_left
from collections import deque
from collections.abc import Collection, Iterable
from datetime import timedelta
from decimal import Decimal
from functools import cache
from operator import ge, le

from consumers.alerts.conditions.metrics import Kind, Metric

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

    def bases(self, metrics: Iterable[Metric], at: int) -> dict[Metric, float | None]:
        """Return what windows that end at the time `at` of the newest price, added before, compare this price with."""
        times, prices = self._times, self._prices
        found: dict[Metric, float | None] = {}
        for metric in metrics:
            since = at - _length(metric.window)
            oldest = bisect_left(times, since)
            found[metric] = prices[oldest] if metric.kind in _MOVES else self._extreme_base(metric, at, since, oldest)
        return found

    def bases_at(self, metrics: Collection[Metric], at: int, price: Decimal) -> dict[Metric, float | None]:
        """Return the same as of a price that may not be the newest. Slow; for the first event after a start."""
        end = bisect_left(self._times, at + 1)
        earlier = PriceWindow(zip(self._times[:end], self._prices[:end], strict=True))
        if not end or self._times[end - 1] != at:
            # No window needed this price when it came.
            earlier.add(at, float(price))
        return earlier.bases(metrics, at)

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

    def _extreme_base(self, metric: Metric, at: int, since: int, oldest: int) -> float | None:
        # Half the window must be known, without the newest price itself.
        if len(self._times) - oldest < 2 or 2 * (at - self._times[oldest]) < at - since:
            return None
        return self._extreme(metric).before_newest(since)

    def _extreme(self, metric: Metric) -> "_Extreme":
        found = self._extremes.get(metric)
        if found is None:
            found = self._extremes[metric] = _Extreme(highest=metric.kind == Kind.HIGH)
            for at, price in zip(self._times, self._prices, strict=True):
                found.add(at, price)
        return found


@cache
def _length(window: timedelta | None) -> int:
    """Return the length of a window in microseconds."""
    return 0 if window is None else window // _MICROSECOND


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
