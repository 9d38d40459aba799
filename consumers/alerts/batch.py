"""The work on one batch of events, in one transaction."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from sqlalchemy import Connection

from consumers.alerts.alerting import make_alert
from consumers.alerts.conditions.metrics import Kind, Sample
from consumers.alerts.feeds import Hold, Observation, SymbolFeed
from consumers.alerts.gaps import Gaps
from consumers.alerts.held_rules import tell_hold
from consumers.alerts.needs import Needs
from consumers.alerts.prior_states import implied_state, must_be_stored, state_before
from consumers.alerts.rule_index import (
    Candidate,
    Lookup,
    StoredState,
    Usage,
    find_candidates,
    live_rules,
    lookups,
    new_rules,
)
from consumers.alerts.rules.models import Rule
from consumers.alerts.rules.rows import is_live, row_of_state
from consumers.alerts.states import Outcome, RuleState, after_change_of_world, evaluate
from consumers.alerts.store import (
    Raised,
    clear_states,
    clear_window,
    forget_window_prices,
    raise_alerts,
    save_feeds,
    save_states,
    save_window_prices,
)
from consumers.alerts.watermarks import Watermark
from shared.events import PriceAlert, RulesHeld, StockData
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


class Batch:
    """The work on one batch, in three steps: observe the events, decide about the rules, save."""

    def __init__(
        self,
        connection: Connection,
        feeds: Mapping[str, SymbolFeed],
        usage: Usage,
        needs: Mapping[str, Needs],
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
        told = (tell_hold(connection, event, hold, self._now) for event, hold in self._holds)
        return Results(new, [held for held in told if held is not None], self._raised)

    def _lookups(self) -> Iterator[Lookup]:
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
            self._states[key] = implied_state(rule, self._states[key], previous, before)
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
        if outcome is not None or before.pinned or (state != before and must_be_stored(rule, before, state)):
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
