"""Changes of rules that concern their states: editing, enabling, acknowledging, and rescaling after a split."""

from dataclasses import replace
from datetime import datetime
from decimal import Decimal

from sqlalchemy import Connection, Engine, bindparam, delete, select, true, update

from consumers.alerts.conditions.base import divide
from consumers.alerts.rules.models import EVERY_SYMBOL, Rule, Terms
from consumers.alerts.rules.options import Options
from consumers.alerts.rules.rows import row_of_rule, row_of_state, rule_of_row
from consumers.alerts.rules.store import begin_change, find_rule, reindex_rules, replace_rule, unindex_rules
from consumers.alerts.standing import Standing, standings
from consumers.alerts.states import RuleState, Status
from consumers.alerts.store import count_batch, load_feeds, read_counters, save_feeds, save_states
from consumers.alerts.tables import rule_states, rules, window_prices
from consumers.alerts.watermarks import Watermark
from shared.database.engine import writing
from shared.errors import SettingsError
from shared.times import utc_now


def edit_rule(engine: Engine, name: str, terms: Terms | None, options: Options) -> Rule:
    """Store other terms and options of a rule, as `revise_rule` does. Raises SettingsError."""
    with writing(engine) as connection:
        read_counters(connection)
        old = find_rule(connection, name)
        return revise_rule(connection, old, replace(old, terms=terms or old.terms, options=options))


def revise_rule(connection: Connection, old: Rule, new: Rule) -> Rule:
    """Replace a rule by one of the same id, and return it with its revision. Raises SettingsError.

    The rule does not fire again for what it has told already: where it is firing, it stays so for as long as its new
    condition is true. A rule that is disabled, or was, begins afresh. The caller has locked the counters.
    """
    before = standings(connection, [old])[old.id] if old.enabled and new.enabled else []
    rule = replace_rule(connection, new)
    connection.execute(delete(rule_states).where(rule_states.c.rule_id == rule.id))
    save_states(connection, [row_of_state(rule, each.symbol, _carried(each)) for each in before])
    return rule


def enable_rule(engine: Engine, name: str) -> Rule:
    """Let a disabled rule begin afresh. Raises SettingsError."""
    with writing(engine) as connection:
        read_counters(connection)
        rule = find_rule(connection, name)
        return rule if rule.enabled else replace_rule(connection, replace(rule, enabled=True))


def disable_rule(engine: Engine, name: str) -> Rule:
    """Let a rule do nothing, and forget its state. Raises SettingsError."""
    with writing(engine) as connection:
        begin_change(connection)
        rule = find_rule(connection, name)
        if not rule.enabled:
            return rule
        rule = replace(rule, enabled=False, changed_at=utc_now())
        connection.execute(update(rules).where(rules.c.id == rule.id).values(row_of_rule(rule)))
        connection.execute(delete(rule_states).where(rule_states.c.rule_id == rule.id))
        unindex_rules(connection, [rule.id])
        return rule


def acknowledge_rule(engine: Engine, name: str, symbol: str | None = None) -> list[str]:
    """Acknowledge a rule where it is firing, until it is armed there: on one symbol, or on all. Return the symbols.

    Raises SettingsError if it is firing nowhere.
    """
    with writing(engine) as connection:
        read_counters(connection)
        rule = find_rule(connection, name)
        every = None if symbol is None else [symbol]
        found = standings(connection, [rule], every)[rule.id] if rule.enabled else []
        firing = [each for each in found if each.state.status is Status.FIRING and symbol in (None, each.symbol)]
        if not firing:
            where = "" if symbol is None else f" on {symbol}"
            raise SettingsError(f"rule {name!r} is not firing{where}, so there is nothing to acknowledge")
        rows = [row_of_state(rule, each.symbol, replace(each.state, acknowledged=True)) for each in firing]
        save_states(connection, rows)
        return [each.symbol for each in firing]


def rescale(engine: Engine, symbol: str, ratio: Decimal | None) -> int:
    """Divide thresholds, last price and windows of a symbol by the ratio of a split, and release its rules.

    Without a ratio all of them stay as they are. `*` rules keep their thresholds. Return the number of rules whose
    thresholds were divided. Raises SettingsError without a hold to release.
    """
    with writing(engine) as connection:
        begin_change(connection)
        feed = load_feeds(connection, [symbol])[symbol]
        hold = feed.hold if feed.hold is not None and not feed.hold.released else None
        if ratio is None and hold is None:
            raise SettingsError(f"the rules of {symbol} are not held, so there is nothing to release")
        if ratio is not None:
            return apply_split(connection, symbol, ratio)
        feed.hold = None if hold is None else replace(hold, released=True)
        save_feeds(connection, {symbol: feed})
        count_batch(connection)
        return 0


def apply_split(connection: Connection, symbol: str, ratio: Decimal) -> int:
    """Do the work of `rescale` in the caller's transaction, which has begun a change of the rules."""
    feed = load_feeds(connection, [symbol])[symbol]
    hold = feed.hold if feed.hold is not None and not feed.hold.released else None
    if hold is not None:
        feed.hold = replace(hold, released=True)
    _pin_states(connection, symbol, ratio)
    count = _rescale_rules(connection, symbol, ratio)
    feed.mark = None if feed.mark is None else _rescaled_mark(feed.mark, ratio)
    _rescale_window(connection, symbol, ratio, None if hold is None else hold.as_of)
    save_feeds(connection, {symbol: feed})
    count_batch(connection)
    return count


def _carried(standing: Standing) -> RuleState:
    """Return the state of an edited rule: firing if it was, and otherwise new."""
    state = standing.state
    if state.status is Status.FIRING:
        return replace(state, expired=False)
    return RuleState(fired=state.fired, last_fired_at=state.last_fired_at)


def _rescale_rules(connection: Connection, symbol: str, ratio: Decimal) -> int:
    """Divide the prices in the rules of a symbol; they keep their revisions, because they mean the same as before."""
    if symbol == EVERY_SYMBOL:
        return 0
    found = connection.execute(select(rules).where(rules.c.symbol == symbol)).mappings().all()
    before = [rule_of_row(row) for row in found]
    changed = [rule.rescaled(ratio) for rule in before if rule.rescaled(ratio) != rule]
    for rule in changed:
        connection.execute(update(rules).where(rules.c.id == rule.id).values(row_of_rule(rule)))
    if changed:
        reindex_rules(connection, changed)
    return len(changed)


def _pin_states(connection: Connection, symbol: str, ratio: Decimal) -> None:
    """Keep the states of the `*` rules whose thresholds stay, because they do not follow from the divided price."""
    wanted = (rules.c.symbol == EVERY_SYMBOL, rules.c.enabled.is_(true()))
    found = [rule_of_row(row) for row in connection.execute(select(rules).where(*wanted)).mappings()]
    concerned = [rule for rule in found if rule.condition.is_state and rule.rescaled(ratio) != rule]
    before = [each for of_rule in standings(connection, concerned, [symbol]).values() for each in of_rule]
    states = [(each, replace(each.state, pinned=True)) for each in before if each.state.status is not None]
    save_states(connection, [row_of_state(each.rule, symbol, state) for each, state in states])


def _rescaled_mark(mark: Watermark, ratio: Decimal) -> Watermark:
    def divided(price: Decimal | None) -> Decimal | None:
        return None if price is None else divide(price, ratio)

    return replace(
        mark,
        price=divide(mark.price, ratio),
        close_price=divided(mark.close_price),
        previous_close=divided(mark.previous_close),
        previous_price=divided(mark.previous_price),
    )


def _rescale_window(connection: Connection, symbol: str, ratio: Decimal, until: datetime | None) -> None:
    """Divide the prices of windows from before the split."""
    old = window_prices.c.symbol == symbol
    if until is not None:
        old &= window_prices.c.as_of < until
    rows = connection.execute(select(window_prices).where(old)).all()
    if rows:
        key = (window_prices.c.symbol == symbol, window_prices.c.as_of == bindparam("at"))
        divided = update(window_prices).where(*key).values(price=bindparam("divided"))
        connection.execute(divided, [{"at": row.as_of, "divided": divide(row.price, ratio)} for row in rows])
