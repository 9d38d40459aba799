"""The rules that a jump of a price holds, the RULES_HELD event that says so, and the targets that it is sent to."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Connection, or_, select, true

from consumers.alerts.conditions.no_data import NoData
from consumers.alerts.event_log import log_events
from consumers.alerts.feeds import Hold
from consumers.alerts.notifications.deliveries import queue_deliveries
from consumers.alerts.rules.models import EVERY_SYMBOL
from consumers.alerts.store import queue_held
from consumers.alerts.tables import rule_states, rule_targets, rules
from shared.events import RulesHeld, StockData, stock_data_id
from shared.events.rules_held import MAX_RULE_IDS

Value = TypeVar("Value")


def tell_hold(connection: Connection, event: StockData, hold: Hold, now: datetime) -> RulesHeld | None:
    """Store the event of a hold and what is owed to targets, and return the event, or None if it was stored before."""
    held = RulesHeld.create(
        symbol=event.symbol,
        price=hold.price,
        previous_price=hold.previous_price,
        ratio=hold.ratio,
        rule_ids=select_held(connection, rules.c.id, event.symbol, event.as_of, MAX_RULE_IDS),
        as_of=hold.as_of,
        triggered_at=now,
        event_key=stock_data_id(event.provider, event.symbol, event.as_of, event.interval),
    )
    if not queue_held(connection, held):
        return None
    log_events(connection, [held], now)
    queue_deliveries(connection, [(held, target) for target in _targets(connection, event, now)], now)
    return held


def select_held(
    connection: Connection, column: ColumnElement[Value], symbol: str, as_of: datetime, limit: int
) -> Sequence[Value]:
    """Return a column of the rules that a jump at a time holds, oldest first."""
    query = _joined(select(column), symbol).where(*_is_held(symbol, as_of))
    return connection.scalars(query.order_by(rules.c.id).limit(limit)).all()


def _targets(connection: Connection, event: StockData, now: datetime) -> Sequence[str]:
    """Return the targets of the held rules, but for those that are silenced."""
    is_loud = or_(rules.c.silenced_until.is_(None), rules.c.silenced_until <= now)
    query = select(rule_targets.c.target).distinct().join(rules, rules.c.id == rule_targets.c.rule_id)
    query = _joined(query, event.symbol).where(*_is_held(event.symbol, event.as_of), is_loud)
    return connection.scalars(query.order_by(rule_targets.c.target)).all()


def _joined(query: Any, symbol: str) -> Any:
    """Return the query with the states of its rules on the symbol."""
    of_symbol = (rule_states.c.rule_id == rules.c.id) & (rule_states.c.symbol == symbol)
    return query.join(rule_states, of_symbol, isouter=True)


def _is_held(symbol: str, as_of: datetime) -> Sequence[ColumnElement[bool]]:
    """Return the conditions on a rule that waits: an expired rule does not, nor one on missing data."""
    return (
        rules.c.symbol.in_((symbol, EVERY_SYMBOL)),
        rules.c.enabled.is_(true()),
        rules.c.condition != NoData.key(),
        or_(rules.c.expires.is_(None), rules.c.expires > as_of),
        or_(rule_states.c.expired.is_(None), ~rule_states.c.expired),
    )
