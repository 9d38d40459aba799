"""Rules tried on past prices: what they would have told, without any effect."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal

from consumers.alerts.conditions.metrics import Kind
from consumers.alerts.feeds import Hold
from consumers.alerts.rule_run import Firing, RuleRun
from consumers.alerts.rules.models import Rule
from consumers.alerts.states import Outcome
from shared.events import StockData
from shared.prices import is_real

# Prices before the time that is tried, of which the last is the previous price of the first. A market that is closed
# for a week is rare.
_WARM_UP = timedelta(days=10)


@dataclass(frozen=True, slots=True)
class Occurrence:
    """The work of a rule on a price: `state` is `firing`, `resolved`, or `held` by a jump that may be a split."""

    rule: Rule
    event: StockData
    state: str
    hold: Hold | None = None


@dataclass(slots=True)
class Trial:
    """Rules on the past prices of one symbol. `points` are all prices, if they are wanted for a chart."""

    symbol: str
    providers: Sequence[str]
    count: int = 0
    first: datetime | None = None
    last: datetime | None = None
    occurrences: list[Occurrence] = field(default_factory=list)
    points: list[tuple[datetime, Decimal]] = field(default_factory=list)

    def firings(self, rule: Rule) -> int:
        """Return how often a rule fired."""
        return sum(each.rule is rule and each.state == Outcome.FIRING.value for each in self.occurrences)


def missing_data(rule: Rule) -> str | None:
    """Return what a rule needs that the stored history does not have."""
    metric = rule.condition.metric
    if metric.kind == Kind.SILENCE:
        return "to know when prices arrived"
    if metric.kind in (Kind.PERCENT, Kind.AMOUNT) and metric.window is None:
        return "the previous close of each price"
    return None


def warm_up(rules: Sequence[Rule]) -> timedelta:
    """Return the time before the first price from which the prices of windows and the previous price come."""
    windows = (rule.condition.metric.window for rule in rules)
    return max([_WARM_UP, *(window for window in windows if window is not None)])


def try_rules(
    trial: Trial, rules: Sequence[Rule], events: Iterable[StockData], since: datetime, *, points: bool
) -> None:
    """Let rules that were added at `since` see the events, oldest first. Earlier events are their past prices."""
    runs = [RuleRun(rule) for rule in rules]
    past: list[StockData] = []
    for event in events:
        if event.as_of < since:
            past.append(event)
            continue
        if not trial.count:
            for run in runs:
                run.seed(trial.symbol, _comparable(past, event))
            past = []
            trial.first = event.as_of
        trial.count += 1
        trial.last = event.as_of
        if points:
            trial.points.append((event.as_of, event.price))
        trial.occurrences += _occurrences(runs, event)


def _occurrences(runs: Sequence[RuleRun], event: StockData) -> Iterator[Occurrence]:
    for run in runs:
        found = run.take(event)
        if isinstance(found, Firing):
            yield Occurrence(run.rule, event, found.outcome.value)
        elif found is not None:
            yield Occurrence(run.rule, event, "held", found)


def _comparable(past: Sequence[StockData], first: StockData) -> list[StockData]:
    """Return the past prices that may be compared with the first price."""
    world = (first.currency, is_real(first.provider))
    return [event for event in past if (event.currency, is_real(event.provider)) == world]
