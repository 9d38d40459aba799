"""Rules with their states as rows of `rules list`, and as the lines of `rules show`."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import islice
from typing import Any

from sqlalchemy import Engine

from consumers.alerts.rules.models import EVERY_SYMBOL, Rule
from consumers.alerts.rules.store import list_rules
from consumers.alerts.rules.wording import describe_place
from consumers.alerts.standing import Standing, standings
from consumers.alerts.states import Status
from shared.database.engine import reading
from shared.prices import format_price
from shared.times import format_duration, format_instant, format_sortable, utc_now

TABLE_COLUMNS = ("id", "name", "rule", "state", "since", "last_price", "distance", "fired")
_OPTIONS = ("frequency", "for", "rearm", "on_arm", "expires", "notify", "resolved", "message")
COLUMNS = (*TABLE_COLUMNS, "created_at", *_OPTIONS)
NUMBERS = ("id", "last_price", "distance", "fired")
_RULES_PER_PART = 500
# The state of a `*` rule is the first of these that it has on any symbol.
_ORDER = ("disabled", "firing", "pending", "held", "silenced", "acknowledged", "stale", "armed", "expired")


def rule_rows(engine: Engine) -> Iterator[dict[str, Any]]:
    """Yield a row per rule, oldest first."""
    now = utc_now()
    found = list_rules(engine)
    while part := list(islice(found, _RULES_PER_PART)):
        with reading(engine) as connection:
            by_rule = standings(connection, part)
        for rule in part:
            yield _row(rule, by_rule[rule.id], now)


def _row(rule: Rule, found: Sequence[Standing], now: datetime) -> dict[str, Any]:
    words = [each.word(now) for each in found] or ["armed" if rule.enabled else "disabled"]
    options = rule.options
    single = found[0] if rule.terms.symbol != EVERY_SYMBOL and found else None
    return {
        "id": rule.id,
        "name": rule.name,
        "rule": str(rule.terms),
        "state": min(words, key=_ORDER.index),
        "since": _since(single, words[0]) if single else None,
        "last_price": format_price(single.price) if single and single.price is not None else None,
        "distance": f"{single.distance:+.2f}%" if single and single.distance is not None else None,
        "fired": sum(each.state.fired for each in found),
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


def _since(standing: Standing, word: str) -> str | None:
    """Return when the state began, if it is known: an armed rule is not followed."""
    since = standing.state.since
    return format_instant(since) if since is not None and word in (Status.FIRING, Status.PENDING) else None


def describe_facts(rule: Rule) -> Iterator[str]:
    """Yield what is known of a rule beside its terms and options."""
    if rule.created_at is not None:
        yield f"added {format_instant(rule.created_at)}"
    if rule.options.message is not None:
        yield f"message: {rule.options.message}"


def describe_standing(standing: Standing, now: datetime) -> Iterator[str]:
    """Yield the state of a rule on one symbol, the place of the last price, and how often the rule has fired."""
    word, state = standing.word(now), standing.state
    since = _since(standing, word)
    yield word + (f" since {since}" if since else "")
    yield describe_place(standing)
    yield f"fired {state.fired} times" + (
        f", last as of {format_instant(state.last_fired_at)}" if state.last_fired_at else ""
    )
