"""Rules with their states as rows of `rules list`, and as the lines of `rules show`."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import islice
from typing import Any

from sqlalchemy import Engine

from consumers.alerts.feeds import SymbolFeed
from consumers.alerts.rules.models import Rule
from consumers.alerts.rules.store import list_rules
from consumers.alerts.rules.wording import describe_place, describe_state
from consumers.alerts.standing import Standing, standings
from consumers.alerts.states import NEW
from shared.database.engine import reading
from shared.prices import format_price
from shared.times import format_duration, format_instant, format_sortable, utc_now

TABLE_COLUMNS = ("id", "name", "rule", "state", "since", "last_price", "distance", "fired")
_OPTIONS = ("frequency", "for", "rearm", "on_arm", "expires", "notify", "resolved", "message")
COLUMNS = (*TABLE_COLUMNS, "also", "silenced_until", "created_at", *_OPTIONS)
NUMBERS = ("id", "last_price", "distance", "fired")
_RULES_PER_PART = 500
# The state of a `*` rule is the first of these that it has on any symbol.
_ORDER = ("disabled", "firing", "pending", "held", "silenced", "acknowledged", "stale", "armed", "expired")


def joined_states(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row for a table, with all states of the rule in one column."""
    return row | {"state": ", ".join((row["state"], *row["also"]))}


def rule_rows(engine: Engine) -> Iterator[dict[str, Any]]:
    """Yield a row per rule, oldest first."""
    now = utc_now()
    found = list_rules(engine)
    while part := list(islice(found, _RULES_PER_PART)):
        with reading(engine) as connection:
            by_rule = standings(connection, part)
        for rule in part:
            yield rule_row(rule, by_rule[rule.id], now)


def rule_row(rule: Rule, found: Sequence[Standing], now: datetime) -> dict[str, Any]:
    """Return a rule with its standings as a row of COLUMNS."""
    # A rule on every symbol that has seen no price is described by itself.
    found = found or [Standing(rule, rule.terms.symbol, SymbolFeed(), NEW, None)]
    options = rule.options
    single = found[0] if found[0].symbol == rule.terms.symbol else None
    words = [each.word(now) for each in found]
    since = single.since(words[0]) if single else None
    return {
        "id": rule.id,
        "name": rule.name,
        "rule": str(rule.terms),
        "state": min(words, key=_ORDER.index),
        "since": None if since is None else format_instant(since),
        "last_price": format_price(single.price) if single and single.price is not None else None,
        "distance": f"{single.distance:+.2f}%" if single and single.distance is not None else None,
        "fired": sum(each.state.fired for each in found),
        "also": single.words(now)[1:] if single else [],
        "silenced_until": None if rule.silenced_until is None else format_instant(rule.silenced_until),
        "created_at": None if rule.created_at is None else format_sortable(rule.created_at),
        "frequency": str(options.frequency),
        "for": None if options.hold is None else format_duration(options.hold),
        "rearm": None if options.rearm is None else format_price(options.rearm),
        "on_arm": options.on_arm.value,
        "expires": None if options.expires is None else format_instant(options.expires),
        "notify": list(options.notify),
        "resolved": options.resolved,
        "message": options.message,
    }


def describe_facts(rule: Rule) -> Iterator[str]:
    """Yield when a rule was added, if that is known."""
    if rule.created_at is not None:
        yield f"added {format_instant(rule.created_at.replace(microsecond=0))}"


def describe_standing(standing: Standing, now: datetime) -> Iterator[str]:
    """Yield the states of a rule on one symbol, the place of the last price, and how often the rule has fired."""
    for word in standing.words(now):
        yield describe_state(standing, word)
    yield describe_place(standing)
    state = standing.state
    times = {0: "never fired", 1: "fired once"}.get(state.fired, f"fired {state.fired} times")
    yield times + (f", last as of {format_instant(state.last_fired_at)}" if state.last_fired_at else "")
