"""The joint of the API with other packages: functions that web may not import, and that `infra` passes in."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from consumers.alerts.rules.models import Rule
from consumers.alerts.seeding import PastPrices
from consumers.web.dead_letters import DeadLetters, DeadQueue, DroppedLetters, RequeuedLetters
from consumers.web.dry_run import DryRun
from consumers.web.health import Health


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
    new rule. `require_broker` raises BrokerError unless RabbitMQ answers within 2 s. `health` finds out how all parts
    are, within 2 s even if RabbitMQ is away. `dry_run` tries a rule on the stored prices since a time, within bounds of
    prices and time.

    `count_dead`, `read_dead`, `requeue_dead` and `drop_dead` are about dead letters; they raise SettingsError for a
    queue that does not exist, and BrokerError. `close` ends the connections of all functions.
    """

    watched: Callable[[], list[WatchedSymbol]]
    watch: Callable[[str], bool]
    unwatch: Callable[[str], bool]
    past_prices: PastPrices
    require_broker: Callable[[], None]
    health: Callable[[], Health]
    dry_run: Callable[[Rule, datetime], DryRun]
    count_dead: Callable[[], list[DeadQueue]]
    read_dead: Callable[[str, int], DeadLetters]
    requeue_dead: Callable[[str], RequeuedLetters]
    drop_dead: Callable[[str], DroppedLetters]
    close: Callable[[], None]
