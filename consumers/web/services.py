"""The joint of the API with other packages: functions that web may not import, and that `infra` passes in."""

from collections.abc import Callable
from dataclasses import dataclass

from consumers.alerts.seeding import PastPrices


@dataclass(frozen=True)
class WatchedSymbol:
    """A symbol on the watch list. `source` is `setting` for one of STOCKWIRE_SYMBOLS, or `added`."""

    symbol: str
    source: str


@dataclass(frozen=True)
class Services:
    """Functions of other packages. Each of them may raise a StockwireError, and is called in a thread of its own.

    `watched` returns the watch list. `watch` adds a symbol, and `unwatch` removes one; both return False if nothing was
    to do, and raise SettingsError for a change that is refused. `past_prices` yields stored prices for the windows of a
    new rule.
    """

    watched: Callable[[], list[WatchedSymbol]]
    watch: Callable[[str], bool]
    unwatch: Callable[[str], bool]
    past_prices: PastPrices
