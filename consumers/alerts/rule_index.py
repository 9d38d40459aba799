"""The index of the rules in the database: it finds the rules that an event may change, without reading the others."""

import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import cache
from math import inf
from typing import Any, NamedTuple

from sqlalchemy import Column, Connection, Integer, TextualSelect, column, select, text, true

from consumers.alerts.conditions.base import Direction
from consumers.alerts.conditions.metrics import Metric
from consumers.alerts.feeds import Observation
from consumers.alerts.gaps import Gaps
from consumers.alerts.rules.models import EVERY_SYMBOL, Rule
from consumers.alerts.rules.rows import rule_of_row, state_of_row
from consumers.alerts.states import RuleState
from consumers.alerts.tables import metric_usage, rule_levels, rule_states, rules

# Positions are compared as floats, and travel to the database as text. The exact comparison comes afterwards.
_ROUNDING = 1e-9
_FARTHEST = 1e300

Usage = Mapping[str, frozenset[Metric]]


class StoredState(NamedTuple):
    """The state of a rule on a symbol, as stored under a revision of the rule."""

    state: RuleState
    revision: int


class Candidate(NamedTuple):
    """A rule that an event may change, and its stored state if there is one."""

    rule: Rule
    stored: StoredState | None


class Lookup(NamedTuple):
    """A range of levels in one direction, for the event with this number in the batch.

    `owner` is the symbol of the event, or `*`. With `states_only` 1, only levels with `fires_first` are looked for.
    They are those of state conditions: the first number fires no others, and they end if a number goes back over the
    level.
    """

    number: int
    symbol: str
    owner: str
    metric: str
    direction: str
    low: float
    high: float
    states_only: int


def load_usage(connection: Connection, symbols: Collection[str]) -> dict[str, frozenset[Metric]]:
    """Return the numbers that the rules of each symbol need, and those of `*` rules."""
    wanted = [*symbols, EVERY_SYMBOL]
    rows = connection.execute(
        select(metric_usage.c.symbol, metric_usage.c.metric).where(
            metric_usage.c.symbol.in_(wanted), metric_usage.c.levels > 0
        )
    )
    found: defaultdict[str, set[Metric]] = defaultdict(set)
    for symbol, metric in rows:
        found[symbol].add(_metric(metric))
    return {symbol: frozenset(found[symbol]) for symbol in wanted}


def lookups(
    number: int, observation: Observation, metrics: Iterable[Metric], usage: Usage, gaps: Gaps
) -> Iterator[Lookup]:
    """Yield the ranges of levels that the numbers of a symbol may have passed with an event."""
    symbol, previous = observation.event.symbol, observation.previous
    price = float(observation.event.price)
    if previous is None:
        gaps.forget(symbol)
    left = gaps.leaving(symbol, metrics, observation.now, price)
    price_before = 0.0 if previous is None else float(previous.price)
    for metric, directions in left:
        here = observation.now.position(metric, price)
        there = observation.before.position(metric, price_before)
        for owner in (symbol, EVERY_SYMBOL):
            if here is not None and metric in usage[owner]:
                for direction, low, high, states_only in _passed(there, here, directions):
                    yield Lookup(number, symbol, owner, metric.key, direction.value, low, high, int(states_only))


def find_candidates(connection: Connection, wanted: Sequence[Lookup]) -> dict[int, list[Candidate]]:
    """Return the rules with a level in one of the ranges, by the number of the event. A rule may come twice."""
    found: defaultdict[int, list[Candidate]] = defaultdict(list)
    if wanted:
        statement = _candidates(connection.dialect.name)
        for row in connection.execute(statement, {"lookups": json.dumps(wanted)}):
            found[row[0]].append(_candidate(row[1:]))
    return found


def new_rules(connection: Connection, symbol: str, revision: int) -> list[Candidate]:
    """Return the enabled rules of a symbol, and of `*`, that are newer than a revision."""
    query = _with_states(symbol).where(
        rules.c.symbol.in_((symbol, EVERY_SYMBOL)), rules.c.revision > revision, rules.c.enabled.is_(true())
    )
    return [_candidate(tuple(row)) for row in connection.execute(query)]


def live_rules(connection: Connection, symbols: Collection[str]) -> dict[str, list[Candidate]]:
    """Return the rules by symbol that must be looked at with every event: pending ones, and those without data."""
    query = (
        select(*rules.c, *rule_states.c)
        .join(rule_states, rule_states.c.rule_id == rules.c.id)
        .where(rule_states.c.symbol.in_(symbols), rule_states.c.live, rules.c.enabled.is_(true()))
    )
    found: defaultdict[str, list[Candidate]] = defaultdict(list)
    for row in connection.execute(query):
        found[row[len(rules.c) + _STATE_COLUMNS.index("symbol")]].append(_candidate(tuple(row)))
    return found


def load_candidates(connection: Connection, rule_ids: Iterable[int], symbol: str) -> list[Candidate]:
    """Return these rules with their states on one symbol."""
    query = _with_states(symbol).where(rules.c.id.in_(list(rule_ids)))
    return [_candidate(tuple(row)) for row in connection.execute(query)]


def _passed(
    before: float | None, now: float, directions: Iterable[Direction]
) -> Iterator[tuple[Direction, float, float, bool]]:
    """Yield the ranges of levels from the last position to this one, and if only state conditions are concerned.

    Only levels of the given directions are of interest. If there is no last position, all levels on the near side of
    their positions count.
    """
    if before is None:
        yield Direction.UP, -_FARTHEST, _round(now, inf), True
        yield Direction.DOWN, _round(now, -inf), _FARTHEST, True
    elif now != before:
        low, high = _round(min(before, now), -inf), _round(max(before, now), inf)
        for direction in directions:
            yield direction, low, high, (now > before) != (direction is Direction.UP)


def _round(position: float, towards: float) -> float:
    step = _ROUNDING * (abs(position) + _ROUNDING)
    return position + step if towards > 0 else position - step


def _with_states(symbol: str) -> Any:
    joined = (rule_states.c.rule_id == rules.c.id) & (rule_states.c.symbol == symbol)
    return select(*rules.c, *rule_states.c).join(rule_states, joined, isouter=True)


def _candidate(row: Sequence[Any]) -> Candidate:
    rule = rule_of_row(dict(zip(_RULE_COLUMNS, row, strict=False)))
    state = dict(zip(_STATE_COLUMNS, row[len(_RULE_COLUMNS) :], strict=True))
    stored = None if state["rule_id"] is None else StoredState(state_of_row(state), state["revision"])
    return Candidate(rule, stored)


@cache
def _metric(key: str) -> Metric:
    return Metric.of_key(key)


_RULE_COLUMNS = tuple(rules.c.keys())
_STATE_COLUMNS = tuple(rule_states.c.keys())

# The lookups as rows of a table: a JSON array of arrays.
_LOOKUPS = {
    "sqlite": """
        SELECT json_extract(value, '$[0]') AS number, json_extract(value, '$[1]') AS symbol,
               json_extract(value, '$[2]') AS owner, json_extract(value, '$[3]') AS metric,
               json_extract(value, '$[4]') AS direction, json_extract(value, '$[5]') AS low,
               json_extract(value, '$[6]') AS high, json_extract(value, '$[7]') AS states_only
        FROM json_each(:lookups)
    """,
    "postgresql": """
        SELECT CAST(value->>0 AS integer) AS number, value->>1 AS symbol, value->>2 AS owner, value->>3 AS metric,
               value->>4 AS direction, CAST(value->>5 AS double precision) AS low,
               CAST(value->>6 AS double precision) AS high, CAST(value->>7 AS integer) AS states_only
        FROM json_array_elements(CAST(:lookups AS json))
    """,
}


@cache
def _candidates(dialect: str) -> TextualSelect:
    rule = ", ".join(f"rules.{name}" for name in _RULE_COLUMNS)
    state = ", ".join(f"rule_states.{name} AS state_{name}" for name in _STATE_COLUMNS)
    # SQLite reads the tables of a CROSS JOIN in the order in which they stand here.
    sql = f"""
        SELECT lookup.number, {rule}, {state}
        FROM ({_LOOKUPS[dialect]}) AS lookup
        CROSS JOIN {rule_levels.name} AS level
        JOIN rules ON rules.id = level.rule_id
        LEFT JOIN rule_states ON rule_states.rule_id = rules.id AND rule_states.symbol = lookup.symbol
        WHERE level.symbol = lookup.owner AND level.metric = lookup.metric AND level.direction = lookup.direction
          AND level.level BETWEEN lookup.low AND lookup.high
          AND (level.fires_first OR lookup.states_only = 0)
    """  # noqa: S608 - names of ours
    columns: list[Any] = [column("number", Integer), *rules.c]
    columns += [Column(f"state_{each.name}", each.type) for each in rule_states.c]
    return text(sql).columns(*columns)
