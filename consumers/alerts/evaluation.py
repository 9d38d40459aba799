"""Evaluation of a batch of events: which rules fire, and all that the database must remember about it."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

from sqlalchemy import Connection, select, true

from consumers.alerts.alerting import make_alert
from consumers.alerts.conditions.metrics import Kind, Metric, Sample
from consumers.alerts.feeds import Hold, Observation, SymbolFeed
from consumers.alerts.gaps import Gaps
from consumers.alerts.notifications.deliveries import queue_deliveries
from consumers.alerts.rule_index import (
    Candidate,
    StoredState,
    Usage,
    find_candidates,
    live_rules,
    load_usage,
    lookups,
    new_rules,
)
from consumers.alerts.rules.models import EVERY_SYMBOL, Rule
from consumers.alerts.rules.rows import is_live, row_of_state
from consumers.alerts.states import NEW, Outcome, RuleState, Status, after_change_of_world, evaluate
from consumers.alerts.store import (
    Raised,
    clear_states,
    clear_window,
    forget_window_prices,
    load_feeds,
    load_pending_splits,
    load_window,
    queue_held,
    raise_alerts,
    save_feeds,
    save_states,
    save_window_prices,
)
from consumers.alerts.tables import rule_targets, rules
from consumers.alerts.watermarks import Watermark
from shared.events import PriceAlert, RulesHeld, StockData, stock_data_id
from shared.events.rules_held import MAX_RULE_IDS
from shared.prices import is_real
from shared.splits import Split
from shared.times import to_micros

_NO_SILENCE = Sample(Decimal(0))


class Results(NamedTuple):
    """The new alerts of a batch, the new holds, and all alerts that were raised, also those that are not new.

    `evaluated` is the number of events up to the first before which known splits must be applied, and `due` has those.
    """

    alerts: Sequence[PriceAlert] = ()
    held: Sequence[RulesHeld] = ()
    raised: Sequence[Raised] = ()
    evaluated: int = 0
    due: Sequence[Split] = ()


class Needs(NamedTuple):
    """The needs of the rules of a symbol: their numbers, the longest window, and the split guard."""

    metrics: tuple[Metric, ...]
    longest: timedelta | None
    is_guarded: bool


class Evaluator:
    """Evaluates batches. Feeds stay in memory between batches until `forget` is called."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._feeds: dict[str, SymbolFeed] = {}
        self._usage: dict[str, frozenset[Metric]] = {}
        self._needs: dict[str, Needs] = {}
        self._gaps = Gaps()
        self._revision = -1

    def forget(self) -> None:
        """Read everything again from the database with the next batch."""
        self._feeds.clear()
        self._gaps.clear()

    def evaluate(self, connection: Connection, events: Sequence[StockData], revision: int) -> Results:
        """Evaluate events in order, and store the results in the transaction of `connection`.

        Stops before an event at which a known split is due. `revision` is that of the newest rule. After an error
        `forget` must be called.
        """
        now = self._clock()
        first = {event.symbol: event for event in reversed(events)}
        symbols = set(first)
        self._load(connection, first, revision)
        batch = _Batch(connection, self._feeds, self._usage, self._needs, self._gaps, revision, now)
        count, due = batch.observe(events)
        batch.decide()
        self._gaps.load(connection)
        return batch.save(symbols)._replace(evaluated=count, due=due)

    def _load(self, connection: Connection, first: Mapping[str, StockData], revision: int) -> None:
        symbols = set(first)
        if revision != self._revision:
            self._usage.clear()
            self._needs.clear()
            self._gaps.clear()
            self._revision = revision
        missing = symbols - self._needs.keys()
        if missing:
            self._usage |= load_usage(connection, missing)
            self._needs |= {symbol: needs_of(symbol, self._usage) for symbol in missing}
        unknown = symbols - self._feeds.keys()
        self._feeds |= load_feeds(connection, unknown)
        for symbol, splits in load_pending_splits(connection, unknown).items():
            self._feeds[symbol].splits = splits
        for symbol in symbols:
            feed, needs = self._feeds[symbol], self._needs[symbol]
            if needs.longest is None:
                feed.window = None
            elif feed.window is None:
                open_window(connection, symbol, feed, first[symbol])


class _Batch:
    """The work on one batch, in three steps: observe the events, decide about the rules, save."""

    def __init__(
        self,
        connection: Connection,
        feeds: Mapping[str, SymbolFeed],
        usage: Usage,
        needs: Mapping[str, "Needs"],
        gaps: Gaps,
        revision: int,
        now: datetime,
    ) -> None:
        self._connection = connection
        self._feeds = feeds
        self._usage = usage
        self._needs = needs
        self._gaps = gaps
        self._revision = revision
        self._now = now
        self._first: dict[str, StockData] = {}
        self._observations: list[Observation] = []
        self._window_events: list[StockData] = []
        self._new_worlds: set[str] = set()
        self._states: dict[tuple[int, str], RuleState] = {}
        # Rules by the key of a state that is to be stored.
        self._changed: dict[tuple[int, str], Rule] = {}
        self._live: dict[str, dict[int, Rule]] = {}
        self._raised: list[Raised] = []
        self._holds: list[tuple[StockData, Hold]] = []

    def observe(self, events: Sequence[StockData]) -> tuple[int, Sequence[Split]]:
        """Observe the events up to one at which known splits are due; return the number of events, and the splits."""
        for count, event in enumerate(events):
            symbol = event.symbol
            feed = self._feeds[symbol]
            if due := feed.due_splits(event, self._now):
                return count, due
            feed.seen_at = self._now
            self._first.setdefault(symbol, event)
            needs = self._needs[symbol]
            before = feed.hold
            found = feed.observe(event, self._revision, needs.metrics, self._now, guarded=needs.is_guarded)
            if isinstance(found, Hold):
                self._holds.append((event, found))
            elif found is not None:
                if found.is_new_world and feed.window is not None:
                    self._forget_window(symbol)
                self._observations.append(found)
            if (found is not None or feed.hold is not before) and feed.window is not None:
                self._window_events.append(event)
        return len(events), ()

    def decide(self) -> None:
        candidates = find_candidates(self._connection, [*self._lookups()])
        for symbol, found in live_rules(self._connection, self._first.keys()).items():
            self._live[symbol] = {each.rule.id: each.rule for each in found}
            for each in found:
                self._take(each, symbol, None, None)
        for symbol, event in self._first.items():
            self._end_silence(symbol, event)
        for number, observation in enumerate(self._observations):
            if observation.is_new_world:
                self._enter_new_world(observation.event.symbol)
            self._decide(observation, [*candidates.get(number, ()), *self._new_rules(observation)])

    def save(self, symbols: set[str]) -> Results:
        connection = self._connection
        save_window_prices(connection, self._window_events)
        forget_window_prices(connection, self._outdated(symbols))
        save_feeds(connection, {symbol: self._feeds[symbol] for symbol in symbols})
        rows = [row_of_state(rule, key[1], self._states[key]) for key, rule in self._changed.items()]
        save_states(connection, rows)
        new = raise_alerts(connection, self._raised, self._now)
        return Results(new, [*self._save_holds()], self._raised)

    def _lookups(self) -> Iterator[Any]:
        for number, observation in enumerate(self._observations):
            metrics = self._needs[observation.event.symbol].metrics
            yield from lookups(number, observation, metrics, self._usage, self._gaps)

    def _new_rules(self, observation: Observation) -> list[Candidate]:
        """Return the rules that were added since the last event. The first event of a symbol finds all in the index."""
        previous = observation.previous
        if previous is None or previous.oldest_revision >= self._revision:
            return []
        return new_rules(self._connection, observation.event.symbol, previous.oldest_revision)

    def _decide(self, observation: Observation, candidates: Sequence[Candidate]) -> None:
        symbol = observation.event.symbol
        found = {rule.id: rule for rule in self._live.get(symbol, {}).values()}
        for each in candidates:
            found[each.rule.id] = each.rule
            self._take(each, symbol, observation.previous, observation.before.get(each.rule.condition.metric))
        for rule_id in sorted(found):
            rule = found[rule_id]
            if rule.condition.metric.kind != Kind.SILENCE:
                self._evaluate(rule, observation)

    def _take(self, candidate: Candidate, symbol: str, previous: Watermark | None, before: Sample | None) -> None:
        """Remember the state of a rule before it is evaluated."""
        rule, stored = candidate
        key = (rule.id, symbol)
        if key in self._states:
            self._states[key] = _implied(rule, self._states[key], previous, before)
            return
        if stored is not None and symbol in self._new_worlds:
            stored = StoredState(after_change_of_world(stored.state), stored.revision)
        self._states[key] = state_before(rule, stored, previous, before)

    def _evaluate(self, rule: Rule, observation: Observation) -> None:
        event, metric = observation.event, rule.condition.metric
        key = (rule.id, event.symbol)
        before = self._states[key]
        state, outcome = evaluate(
            rule, before, observation.before.get(metric), observation.now.get(metric), event.as_of
        )
        self._remember(rule, event.symbol, before, state, outcome)
        if outcome is not None:
            previous = None if observation.previous is None else observation.previous.price
            self._raised.append(Raised(make_alert(rule, outcome, event, previous, self._now), rule.revision, event))

    def _remember(self, rule: Rule, symbol: str, before: RuleState, state: RuleState, outcome: Outcome | None) -> None:
        self._states[rule.id, symbol] = state
        if outcome is not None or before.pinned or (state != before and must_be_stored(rule, state)):
            self._changed[rule.id, symbol] = rule
        live = self._live.setdefault(symbol, {})
        if is_live(rule, state):
            live[rule.id] = rule
        else:
            live.pop(rule.id, None)

    def _end_silence(self, symbol: str, event: StockData) -> None:
        """Resolve the rules that told of missing data."""
        for rule in [*self._live.get(symbol, {}).values()]:
            if rule.condition.metric.kind == Kind.SILENCE:
                before = self._states[rule.id, symbol]
                state, outcome = evaluate(rule, before, None, _NO_SILENCE, event.as_of)
                self._remember(rule, symbol, before, state, outcome)
                if outcome is not None:
                    alert = make_alert(rule, outcome, event, None, self._now)
                    self._raised.append(Raised(alert, rule.revision, event))

    def _enter_new_world(self, symbol: str) -> None:
        self._new_worlds.add(symbol)
        clear_states(self._connection, symbol)
        self._live.pop(symbol, None)
        for key in [key for key in self._states if key[1] == symbol]:
            self._states[key] = after_change_of_world(self._states[key])

    def _forget_window(self, symbol: str) -> None:
        clear_window(self._connection, symbol)
        self._window_events = [event for event in self._window_events if event.symbol != symbol]

    def _outdated(self, symbols: set[str]) -> dict[str, int]:
        """Return the time before which each symbol's prices are needed by no window, where there are many."""
        found = {}
        for symbol in symbols:
            feed, longest = self._feeds[symbol], self._needs[symbol].longest
            if feed.window is not None and feed.mark is not None and longest is not None:
                before = feed.window.forget_before(to_micros(feed.mark.as_of - longest))
                if before is not None:
                    found[symbol] = before
        return found

    def _save_holds(self) -> Iterator[RulesHeld]:
        for event, hold in self._holds:
            key = stock_data_id(event.provider, event.symbol, event.as_of, event.interval)
            held = RulesHeld.create(
                symbol=event.symbol,
                price=hold.price,
                previous_price=hold.previous_price,
                ratio=hold.ratio,
                rule_ids=_held_rules(self._connection, event.symbol),
                as_of=hold.as_of,
                triggered_at=self._now,
                event_key=key,
            )
            if queue_held(self._connection, held):
                targets = _held_targets(self._connection, event.symbol)
                queue_deliveries(self._connection, [(held, target) for target in targets], self._now)
                yield held


def open_window(connection: Connection, symbol: str, feed: SymbolFeed, first: StockData | None = None) -> None:
    """Load the prices of windows that may be compared with the newest price, or with the first event."""
    currency = provider = None
    if feed.mark is not None:
        currency, provider = feed.mark.currency, feed.mark.provider
    if first is not None and provider is None:
        currency, provider = first.currency, first.provider
    rows = load_window(connection, symbol, currency, is_real=is_real(provider or ""))
    feed.open_window(rows)


def needs_of(symbol: str, usage: Usage) -> Needs:
    """Return what the rules of a symbol and of `*` need."""
    metrics = tuple(usage[symbol] | usage[EVERY_SYMBOL])
    windows = [metric.window for metric in metrics if metric.window is not None]
    guarded = any(metric.kind != Kind.SILENCE for metric in metrics)
    return Needs(metrics, max(windows, default=None), guarded)


def state_before(
    rule: Rule, stored: StoredState | None, previous: Watermark | None, before: Sample | None
) -> RuleState:
    """Return the state of a rule before an event.

    The last price implies it, unless the rule is tracked or was edited while it fired. `previous` is the watermark, and
    `before` the number of the rule's condition then.
    """
    state = NEW if stored is None else stored.state
    if stored is not None and stored.revision != rule.revision:
        state = replace(state, status=None)
    return _implied(rule, state, previous, before)


def _implied(rule: Rule, state: RuleState, previous: Watermark | None, before: Sample | None) -> RuleState:
    if rule.condition.metric.kind == Kind.SILENCE or state.pinned:
        return state
    metric = rule.condition.metric
    is_new = previous is None or before is None or rule.revision > previous.revision_of(metric)
    if is_new:
        return state if state.status is Status.FIRING or rule.is_tracked else replace(state, status=None)
    if rule.is_tracked:
        return state if state.status is not None else replace(state, status=Status.ARMED)
    is_true = rule.condition.is_state and before is not None and rule.condition.is_true(before)
    return replace(state, status=Status.FIRING if is_true else Status.ARMED)


def must_be_stored(rule: Rule, state: RuleState) -> bool:
    """Return True if the state does not follow from the last price."""
    tells_end = rule.options.resolved and state.told is False and state.fired > 0
    return rule.is_tracked or tells_end or rule.condition.metric.kind == Kind.SILENCE


def _held_rules(connection: Connection, symbol: str) -> list[int]:
    wanted = (rules.c.symbol.in_((symbol, EVERY_SYMBOL)), rules.c.enabled.is_(true()))
    return list(connection.scalars(select(rules.c.id).where(*wanted).order_by(rules.c.id).limit(MAX_RULE_IDS)))


def _held_targets(connection: Connection, symbol: str) -> list[str]:
    wanted = (rules.c.symbol.in_((symbol, EVERY_SYMBOL)), rules.c.enabled.is_(true()))
    query = select(rule_targets.c.target).distinct().join(rules, rules.c.id == rule_targets.c.rule_id).where(*wanted)
    return list(connection.scalars(query.order_by(rule_targets.c.target)))
