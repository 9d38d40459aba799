"""The commands that show rules with their states: `stockwire rules list`, `show` and `explain`."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, Engine, select

from consumers.alerts.databases import open_stored_alerts
from consumers.alerts.rules.command_arguments import Name, SymbolOfRule, check_words, symbol_of
from consumers.alerts.rules.listing import (
    COLUMNS,
    NUMBERS,
    TABLE_COLUMNS,
    describe_facts,
    describe_standing,
    joined_states,
    rule_rows,
)
from consumers.alerts.rules.models import Rule
from consumers.alerts.rules.store import find_rule
from consumers.alerts.rules.wording import explain, rule_text
from consumers.alerts.standing import Standing, standings
from consumers.alerts.tables import alerts
from shared.cli.options import FormatOption
from shared.cli.output import Format, print_lines, print_rows
from shared.database.engine import reading
from shared.errors import SettingsError
from shared.times import utc_now

# Symbols of a `*` rule that are shown one by one.
SYMBOLS_SHOWN = 20


def show_list(output: FormatOption = Format.TABLE) -> None:
    """List all rules, oldest first, with their state and the way to their threshold."""
    columns = TABLE_COLUMNS if output is Format.TABLE else COLUMNS
    empty = 'no rules; add one with ./stockwire rules add NAME "AAPL crossing up 200"'
    with open_stored_alerts() as engine:
        rows = rule_rows(engine) if engine else iter(())
        if output is Format.TABLE:
            rows = map(joined_states, rows)
        print_rows(columns, rows, output, right=NUMBERS, empty=empty)


def show(name: Name) -> None:
    """Show a rule: its options, and its state on each symbol."""
    rule, found = _standings_of(name)
    print_lines(f"{rule.name}: {rule_text(rule)}", *describe_facts(rule))
    now = utc_now()
    for each in found[:SYMBOLS_SHOWN]:
        print_lines(f"{each.symbol}: {', '.join(describe_standing(each, now))}")
    if len(found) > SYMBOLS_SHOWN:
        print_lines(f"and {len(found) - SYMBOLS_SHOWN} more symbols")


def explain_rule(name: Name, symbol: SymbolOfRule = None) -> None:
    """Tell why a rule fired, or did not fire, with the last price."""
    rule, found = _standings_of(name)
    wanted = None if symbol is None else symbol_of(symbol)
    chosen = [each for each in found if wanted in (None, each.symbol)]
    if not chosen:
        raise SettingsError(f"rule {name!r} has seen no price of {wanted or 'any symbol'} yet")
    now = utc_now()
    with _stored() as engine, reading(engine) as connection:
        for each in chosen[:SYMBOLS_SHOWN]:
            lines = explain(each, _last_outcome(connection, each), now)
            print_lines(f"{each.symbol} {rule.condition}", *(f"  {line}" for line in lines))


def _standings_of(name: str) -> tuple[Rule, list[Standing]]:
    check_words(name)
    with _stored() as engine, reading(engine) as connection:
        rule = find_rule(connection, name)
        return rule, standings(connection, [rule])[rule.id]


@contextmanager
def _stored() -> Iterator[Engine]:
    """Yield the database for reading. Raises SettingsError if there is none yet, and so no rule."""
    with open_stored_alerts() as engine:
        if engine is None:
            raise SettingsError('there are no rules yet: run ./stockwire rules add NAME "AAPL crossing up 200"')
        yield engine


def _last_outcome(connection: Connection, standing: Standing) -> str | None:
    """Return the state of the alert that the last price raised."""
    if standing.feed.mark is None:
        return None
    raised = select(alerts.c.state).where(
        alerts.c.rule_id == standing.rule.id,
        alerts.c.symbol == standing.symbol,
        alerts.c.as_of == standing.feed.mark.as_of,
    )
    found: str | None = connection.scalar(raised.order_by(alerts.c.id.desc()).limit(1))
    return found
