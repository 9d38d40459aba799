"""`stockwire rules` and `stockwire alerts`: what to watch for, and what was raised."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields
from typing import Annotated

import typer
from sqlalchemy import Engine

from consumers.alerts.rules.parser import check_name, parse_condition
from consumers.alerts.rules.store import add_rule, list_rules, remove_rule
from consumers.alerts.store import read_alerts
from consumers.alerts.tables import SCHEMA
from shared.cli.app import new_app
from shared.cli.options import Moment, Newest, OutputFormat
from shared.cli.output import Format, print_rows
from shared.database import opened, reading
from shared.errors import SettingsError
from shared.events import PriceAlert
from shared.schema import create_schema
from shared.settings import load_settings
from shared.times import format_sortable, utc_now

_EFFECT = "a running alerts consumer takes this up within 2 seconds"
_RULE_COLUMNS = ("id", "name", "rule", "created_at")
# The fields of PRICE_ALERT's data, in their order.
_ALERT_COLUMNS = tuple(field.name for field in fields(PriceAlert) if field.name != "id")
# What a line on a terminal has room for.
_ALERT_TABLE = ("as_of", "symbol", "price", "rule_name", "condition", "threshold", "previous_price", "triggered_at")
_NUMBERS = ("id", "price", "threshold", "previous_price")

rules = new_app("Alert rules: add, list and remove them.")


# A negative price is for us to explain; it is no option.
@rules.command(context_settings={"ignore_unknown_options": True})
def add(
    name: Annotated[str, typer.Argument(metavar="NAME", help="What to call it; it stands in every alert.")],
    condition: Annotated[
        list[str],
        typer.Argument(
            metavar="CONDITION...", help='SYMBOL CONDITION PRICE, such as "AAPL crossing up 200"; "*" is every symbol.'
        ),
    ],
) -> None:
    """Add a rule. Conditions: above, below, crossing, crossing up, crossing down."""
    unknown = next((word for word in (name, *condition) if word.startswith("--")), None)
    if unknown:
        raise typer.BadParameter(f"there is no option {unknown}")
    try:
        check_name(name)
        terms = parse_condition(" ".join(condition))
    except ValueError as error:
        raise SettingsError(str(error)) from error
    with _database() as engine:
        rule = add_rule(engine, name, terms, utc_now())
    print(f"added rule {rule.name}: {rule.terms} ({_EFFECT})")


@rules.command("list")
def show(output: OutputFormat = Format.TABLE) -> None:
    """Every rule, oldest first."""
    with _database() as engine:
        rows = [
            {"id": rule.id, "name": rule.name, "rule": str(rule.terms), "created_at": format_sortable(created_at)}
            for rule, created_at in list_rules(engine)
        ]
    empty = 'no rules yet: add one (./stockwire rules add NAME "AAPL crossing up 200")'
    print_rows(_RULE_COLUMNS, rows, output, right=_NUMBERS, empty=empty)


@rules.command()
def remove(name: Annotated[str, typer.Argument(metavar="NAME", help="As ./stockwire rules list shows it.")]) -> None:
    """Remove a rule; the alerts it raised stay."""
    with _database() as engine:
        rule = remove_rule(engine, name)
    print(f"removed rule {rule.name}: {rule.terms} ({_EFFECT})")


def alerts(
    since: Moment = None,
    limit: Newest = None,
    output: OutputFormat = Format.TABLE,
) -> None:
    """Alerts raised (since --since, by our clock), oldest first."""
    columns = _ALERT_TABLE if output is Format.TABLE else _ALERT_COLUMNS
    with _database() as engine, reading(engine) as connection:
        rows = (alert.data() for alert in read_alerts(connection, since, limit))
        print_rows(columns, rows, output, right=_NUMBERS, empty="no alerts were raised in that time")


@contextmanager
def _database() -> Iterator[Engine]:
    """The alerts database, made where there is none. Raises StorageError."""
    with opened(load_settings().alerts_url) as engine:
        create_schema(engine, SCHEMA)
        yield engine
