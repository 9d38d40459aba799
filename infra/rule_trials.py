"""Rules tried on the stored history: the joint of history and alerts."""

import shlex
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta

from consumers.alerts.dry_run import Trial, missing_data, try_rules, warm_up
from consumers.alerts.rules.models import EVERY_SYMBOL, Rule
from consumers.history.queries.comparable import comparable_providers, symbols_with_prices
from consumers.history.queries.prices import history_exists, history_reader, read_prices
from consumers.history.queries.rows import PriceRow
from consumers.history.queries.splits import read_adjustments
from shared.database.reader import Reader
from shared.errors import StorageError
from shared.events import StockData
from shared.settings import load_settings
from shared.symbols import join_names
from shared.times import utc_now

YEAR = timedelta(days=365)
# A rule is tried on the newest prices of few symbols when it is added, which must not take long.
_MOST_AT_ADD = 20_000
_MOST_SYMBOLS_AT_ADD = 100


def try_all(reader: Reader, rules: Sequence[Rule], since: datetime, *, points: bool) -> Iterator[Trial]:
    """Yield a trial per symbol with prices."""
    named = {rule.terms.symbol for rule in rules}
    for symbol in symbols_with_prices(reader) if EVERY_SYMBOL in named else sorted(named):
        of_symbol = [rule for rule in rules if rule.terms.symbol in (EVERY_SYMBOL, symbol)]
        trial = try_symbol(reader, symbol, of_symbol, since, points=points)
        if trial is not None:
            yield trial


def summarize(rule: Rule, trials: Sequence[Trial]) -> str:
    """Return how often a rule would have fired, and on which prices."""
    seen = [trial for trial in trials if rule.terms.symbol in (EVERY_SYMBOL, trial.symbol)]
    if not seen:
        return f"{rule.name}: no stored prices of {rule.terms.symbol}"
    count = sum(trial.firings(rule) for trial in seen)
    fired = {0: "would never have fired", 1: "would have fired once"}.get(count, f"would have fired {count} times")
    first = min(trial.first for trial in seen if trial.first is not None)
    last = max(trial.last for trial in seen if trial.last is not None)
    prices = sum(trial.count for trial in seen)
    symbols = seen[0].symbol if len(seen) == 1 else f"{len(seen)} symbols"
    providers = join_names(sorted({name for trial in seen for name in trial.providers}))
    return (
        f"{rule.name} {fired} on {prices} stored prices of {symbols} ({providers})"
        f" from {first:%Y-%m-%d} to {last:%Y-%m-%d}"
    )


def describe_year(rule: Rule) -> str:
    """Return how often a new rule would have fired in the stored year, or nothing if there is no such year."""
    if not history_exists(load_settings()):
        return ""
    if missing := missing_data(rule):
        return (
            f"how often it would have fired is not known: `{rule.condition}` needs {missing},"
            " which the history does not keep"
        )
    try:
        return _describe_year(rule)
    except StorageError as error:
        # The rule is stored already.
        return f"how often it would have fired is not known: {error}"


def _describe_year(rule: Rule) -> str:
    with history_reader(load_settings()) as reader:
        symbols = symbols_with_prices(reader) if rule.terms.symbol == EVERY_SYMBOL else [rule.terms.symbol]
        if len(symbols) > _MOST_SYMBOLS_AT_ADD:
            return f"run ./stockwire rules dry-run {shlex.quote(rule.name)} to see how often it would have fired"
        most = _MOST_AT_ADD // max(1, len(symbols))
        since = utc_now() - YEAR
        trials = [try_symbol(reader, symbol, [rule], since, points=False, most=most) for symbol in symbols]
    found = [trial for trial in trials if trial is not None]
    return summarize(rule, found) if found else ""


def try_symbol(
    reader: Reader,
    symbol: str,
    rules: Sequence[Rule],
    since: datetime,
    *,
    points: bool,
    most: int | None = None,
    bounded: Callable[[Iterable[PriceRow]], Iterable[PriceRow]] = iter,
) -> Trial | None:
    """Return what rules would have done on the newest `most` prices of a symbol, or None without prices.

    `bounded` passes the rows of prices on, and may end before the last.
    """
    providers = comparable_providers(reader, symbol, since)
    if not providers:
        return None
    trial = Trial(symbol, providers)
    # The thresholds of a rule are in shares of today.
    splits = read_adjustments(reader, [symbol], load_settings().market, until=utc_now().date())
    first = _before(since, warm_up(rules))
    rows = read_prices(reader, symbol, first, limit=most, providers=providers, adjustment=splits.get(symbol))
    try_rules(trial, rules, map(_event, bounded(rows)), since, points=points)
    return trial if trial.count else None


def _before(moment: datetime, duration: timedelta) -> datetime:
    """Return the instant before a moment, or the first that there is."""
    try:
        return moment - duration
    except OverflowError:
        return datetime.min.replace(tzinfo=UTC)


def _event(row: PriceRow) -> StockData:
    return StockData.create(
        symbol=row.symbol,
        price=row.price,
        currency=row.currency,
        as_of=row.as_of,
        provider=row.provider,
        # Some were stored by a version that took prices from ahead of its clock.
        observed_at=max(row.as_of, row.observed_at),
        volume=row.volume,
    )
