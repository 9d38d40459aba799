"""The rules on missing data: `AAPL no data for 30m`. They are evaluated by the clock while no event waits."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

from sqlalchemy import Connection, Engine, func, select

from consumers.alerts.alerting import make_silence_alert
from consumers.alerts.conditions.metrics import Kind, Metric, Sample
from consumers.alerts.rule_index import load_candidates
from consumers.alerts.rules.models import EVERY_SYMBOL, Rule
from consumers.alerts.rules.rows import row_of_state
from consumers.alerts.states import NEW, Outcome, RuleState, evaluate
from consumers.alerts.store import Raised, raise_alerts, read_counters, save_states
from consumers.alerts.tables import metric_usage, rule_levels, rule_states, rules, watermarks
from shared.database.engine import reading, writing
from shared.events import PriceAlert
from shared.market_calendar import Session

_SILENCE = Metric(Kind.SILENCE)
_SECOND = timedelta(seconds=1)

# A function of two instants that returns the sessions of the market between them.
Sessions = Callable[[datetime, datetime], Sequence[Session]]


class Silence(NamedTuple):
    """A rule, and a symbol of which no event has arrived since a time."""

    rule_id: int
    symbol: str
    since: datetime
    last_price: Decimal | None


def tell_silence(
    engine: Engine,
    now: datetime,
    sessions: Callable[[], Sessions | None],
    count_waiting: Callable[[], int] = lambda: 0,
) -> list[PriceAlert]:
    """Raise alerts about the symbols without data, and return those that are new.

    `sessions` and `count_waiting`, the number of events that wait in the queue, are called only if there is something
    to tell. While events wait, nobody knows of which symbols they are. Without sessions all time counts.
    """
    with reading(engine) as connection:
        # In the common case there is nothing to do, and nothing to lock.
        if not any(_silences(connection, now)):
            return []
    if count_waiting():
        return []
    market = sessions()
    with writing(engine) as connection:
        read_counters(connection)
        return _tell(connection, now, market)


def silent_seconds(since: datetime, now: datetime, sessions: Sessions | None) -> Decimal:
    """Return the whole seconds between two instants in which the market was open."""
    if sessions is None:
        return Decimal(max(0, (now - since) // _SECOND))
    hours = (stretch for session in sessions(since, now) for stretch in session.open_hours())
    parts = (min(end, now) - max(start, since) for start, end in hours)
    return Decimal(sum((part for part in parts if part > timedelta()), timedelta()) // _SECOND)


def _tell(connection: Connection, now: datetime, sessions: Sessions | None) -> list[PriceAlert]:
    raised: list[Raised] = []
    rows: list[Mapping[str, Any]] = []
    for silence in _silences(connection, now):
        rule, state = _load(connection, silence)
        seconds = silent_seconds(silence.since, now, sessions)
        after, outcome = evaluate(rule, state, None, Sample(seconds), silence.since)
        if outcome is Outcome.FIRING:
            alert = make_silence_alert(rule, silence.symbol, silence.since, silence.last_price, now)
            raised.append(Raised(alert, rule.revision, None))
        if after.status is not state.status and rule.condition.is_true(Sample(seconds)):
            rows.append(row_of_state(rule, silence.symbol, after))
    save_states(connection, rows)
    return raise_alerts(connection, raised, now)


def _load(connection: Connection, silence: Silence) -> tuple[Rule, RuleState]:
    [(rule, stored)] = load_candidates(connection, [silence.rule_id], silence.symbol)
    return rule, stored.state if stored is not None and stored.revision == rule.revision else NEW


def _silences(connection: Connection, now: datetime) -> Iterator[Silence]:
    """Yield the rules whose time is over by the clock, and that have not told so."""
    used = metric_usage.c.metric == _SILENCE.key
    owners = list(connection.scalars(select(metric_usage.c.symbol).where(used)))
    for row in connection.execute(_query(owners, now)) if owners else ():
        since = row.created_at if row.seen_at is None else max(row.seen_at, row.created_at)
        if now - since >= timedelta(seconds=row.level):
            yield Silence(row.id, row.of_symbol, since, row.price)


def _query(owners: Sequence[str], now: datetime) -> Any:
    """Return the query of the rules of these symbols, each with the symbols that it has not told of.

    A rule is expired by our clock, because no event has an `as_of` to compare with.
    """
    of_symbol = rule_levels.c.symbol == watermarks.c.symbol
    query = select(
        rules.c.id,
        rules.c.created_at,
        rule_levels.c.level,
        _symbol_of().label("of_symbol"),
        watermarks.c.seen_at,
        watermarks.c.price,
    ).join(rules, rules.c.id == rule_levels.c.rule_id)
    query = query.join(watermarks, of_symbol | (rule_levels.c.symbol == EVERY_SYMBOL), isouter=True)
    told = (rule_states.c.rule_id == rules.c.id) & (rule_states.c.symbol == _symbol_of())
    query = query.join(rule_states, told, isouter=True)
    wanted = (rule_levels.c.symbol.in_(owners), rule_levels.c.metric == _SILENCE.key)
    known = (rule_levels.c.symbol != EVERY_SYMBOL) | watermarks.c.symbol.is_not(None)
    untold = rule_states.c.rule_id.is_(None) | ~(rule_states.c.live | rule_states.c.expired)
    is_valid = rules.c.expires.is_(None) | (rules.c.expires > now)
    return query.where(*wanted, known, untold, is_valid).order_by(rules.c.id)


def _symbol_of() -> Any:
    """Return the symbol of a row: that of the last price, or that of a rule whose symbol has none."""
    return func.coalesce(watermarks.c.symbol, rule_levels.c.symbol)
