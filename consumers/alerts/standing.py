"""The standing of a rule: its state on each symbol, and the place of the last price."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from sqlalchemy import Connection, select

from consumers.alerts.alerting import is_silenced
from consumers.alerts.conditions.metrics import Kind, Sample
from consumers.alerts.feeds import SymbolFeed
from consumers.alerts.needs import open_window
from consumers.alerts.prior_states import state_before
from consumers.alerts.rule_index import StoredState
from consumers.alerts.rules.models import EVERY_SYMBOL, Rule
from consumers.alerts.rules.rows import state_of_row
from consumers.alerts.states import RuleState, Status
from consumers.alerts.store import load_feeds
from consumers.alerts.tables import rule_states, rules, watermarks

# Symbols of a `*` rule that are looked at.
MOST_SYMBOLS = 1000


@dataclass(frozen=True, slots=True)
class Standing:
    """A rule on one symbol: `number` is that of its condition at the last price, None if no event had it yet."""

    rule: Rule
    symbol: str
    feed: SymbolFeed
    state: RuleState
    number: Sample | None
    is_stale: bool = False

    def words(self, now: datetime) -> list[str]:
        """Return the state in words: first what keeps the rule from firing or its alerts from being sent."""
        rule, hold = self.rule, self.feed.hold
        is_about_silence = rule.condition.metric.kind == Kind.SILENCE
        status = self.state.status or Status.ARMED
        applies = {
            "disabled": not rule.enabled,
            "expired": self.is_expired(now),
            "held": hold is not None and not hold.released and not is_about_silence,
            "silenced": is_silenced(rule, now),
            "stale": self.is_stale and not is_about_silence,
            "acknowledged": self.state.acknowledged and status is Status.FIRING,
            status.value: rule.enabled,
        }
        return [word for word, is_so in applies.items() if is_so]

    def word(self, now: datetime) -> str:
        """Return the state in one word."""
        return self.words(now)[0]

    def since(self, word: str) -> datetime | None:
        """Return the time at which a state from `words` began, as far as known."""
        rule, state, hold = self.rule, self.state, self.feed.hold
        began = {
            "disabled": _second(rule.changed_at or rule.created_at),
            "expired": state.last_fired_at if state.expired else rule.options.expires,
            "held": None if hold is None else hold.as_of,
            "stale": _second(self.feed.seen_at or rule.created_at),
        }
        if word in began:
            return began[word]
        if state.since is not None or state.status is Status.FIRING:
            return state.since
        # A rule without a state of its own has been armed since somebody added or changed it.
        return _second(rule.changed_at or rule.created_at)

    def is_expired(self, now: datetime) -> bool:
        """Return True if the rule has fired once, or the time of `--expires` has come."""
        expires = self.rule.options.expires
        if self.state.expired:
            return True
        last = None if self.feed.mark is None else self.feed.mark.as_of
        return expires is not None and (now >= expires or (last is not None and last >= expires))

    @property
    def price(self) -> Decimal | None:
        return None if self.feed.mark is None else self.feed.mark.price

    @property
    def distance(self) -> Decimal | None:
        """Return the way from the last price to the threshold in percent of the price, for a threshold that is one."""
        threshold = self.rule.condition.threshold
        if self.price is None or threshold is None or self.rule.condition.metric.kind != Kind.PRICE:
            return None
        return (threshold / self.price - 1) * 100


def _second(instant: datetime | None) -> datetime | None:
    """Return a time of our clock without the part of a second, which says nothing to people."""
    return None if instant is None else instant.replace(microsecond=0)


def standings(
    connection: Connection, of_rules: Sequence[Rule], every: Sequence[str] | None = None
) -> dict[int, list[Standing]]:
    """Return the standings of each rule by its id: one per symbol, and none for a `*` rule without a price.

    `every` are the symbols on which a `*` rule is looked at, by default the first MOST_SYMBOLS.
    """
    symbols = {rule.terms.symbol for rule in of_rules} - {EVERY_SYMBOL}
    if every is None:
        known = select(watermarks.c.symbol).order_by(watermarks.c.symbol).limit(MOST_SYMBOLS)
        is_needed = any(rule.terms.symbol == EVERY_SYMBOL for rule in of_rules)
        every = list(connection.scalars(known)) if is_needed else []
    feeds = load_feeds(connection, symbols | set(every))
    _open_windows(connection, of_rules, feeds)
    stored = _stored_states(connection, [rule.id for rule in of_rules])
    stale = _stale_symbols(connection, feeds)
    return {
        rule.id: [
            _standing(rule, symbol, feeds[symbol], stored.get((rule.id, symbol)), is_stale=symbol in stale)
            for symbol in (every if rule.terms.symbol == EVERY_SYMBOL else [rule.terms.symbol])
        ]
        for rule in of_rules
    }


def _standing(rule: Rule, symbol: str, feed: SymbolFeed, stored: StoredState | None, *, is_stale: bool) -> Standing:
    number = feed.numbers([rule.condition.metric]).get(rule.condition.metric)
    state = state_before(rule, stored, feed.mark, number)
    return Standing(rule, symbol, feed, state, number, is_stale)


def _open_windows(connection: Connection, of_rules: Iterable[Rule], feeds: Mapping[str, SymbolFeed]) -> None:
    windowed = [rule.terms.symbol for rule in of_rules if rule.condition.metric.window is not None]
    for symbol, feed in feeds.items():
        if feed.mark is not None and (symbol in windowed or EVERY_SYMBOL in windowed):
            open_window(connection, symbol, feed)


def _stored_states(connection: Connection, rule_ids: Collection[int]) -> dict[tuple[int, str], StoredState]:
    rows = connection.execute(select(rule_states).where(rule_states.c.rule_id.in_(rule_ids))).mappings()
    return {(row["rule_id"], row["symbol"]): StoredState(state_of_row(row), row["revision"]) for row in rows}


def _stale_symbols(connection: Connection, symbols: Collection[str]) -> set[str]:
    """Return the symbols of which a rule has told that there is no data."""
    silent = select(rule_states.c.symbol).join(rules, rules.c.id == rule_states.c.rule_id)
    silent = silent.where(rule_states.c.live, rules.c.condition == "no_data", rule_states.c.symbol.in_(symbols))
    return set(connection.scalars(silent)) if symbols else set()
