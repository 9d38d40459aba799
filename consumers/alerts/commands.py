"""The commands `stockwire rules` and `stockwire alerts`."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Annotated

import typer
from sqlalchemy import Engine

from consumers.alerts.conditions.registry import supported_conditions
from consumers.alerts.rules.parser import check_name, parse_condition
from consumers.alerts.rules.store import add_rule, list_rules, remove_rule
from consumers.alerts.store import read_alerts
from consumers.alerts.tables import SCHEMA
from shared.cli.app import new_app
from shared.cli.options import FormatOption, LimitOption, TimeOption
from shared.cli.output import Format, print_lines, print_rows
from shared.database.engine import opened, opened_for_reading
from shared.database.schema import create_schema, has_schema
from shared.database.sqlite.reading import database_exists
from shared.errors import SettingsError
from shared.events import ALERT_FIELDS
from shared.settings import load_settings
from shared.times import format_instant, format_sortable, utc_now

_EFFECT = "a running alerts consumer applies this within 2 seconds"
_RULE_COLUMNS = ("id", "name", "rule", "created_at")
# The fields of PRICE_ALERT's data, in order.
_ALERT_COLUMNS = ALERT_FIELDS
# The columns that fit on a terminal.
_TABLE_COLUMNS = ("as_of", "symbol", "price", "rule_name", "condition", "threshold", "previous_price", "triggered_at")
_NUMBERS = ("id", "price", "threshold", "previous_price")

rules = new_app("Add, list and remove alert rules.")


# Without ignore_unknown_options, a negative price would be reported as an unknown option.
@rules.command(
    help=f"Add a rule. Conditions: {supported_conditions()}.", context_settings={"ignore_unknown_options": True}
)
def add(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The rule's name, shown in every alert.")],
    condition: Annotated[
        list[str],
        typer.Argument(
            metavar="CONDITION...",
            help='SYMBOL CONDITION PRICE, such as "AAPL crossing up 200". Use "*" for every symbol.',
        ),
    ],
) -> None:
    """Store a rule, and print the rule as it was understood."""
    unknown = next((word for word in (name, *condition) if word.startswith("--")), None)
    if unknown:
        raise typer.BadParameter(f"no such option: {unknown}")
    _check_name(name)
    try:
        parsed = parse_condition(" ".join(condition))
    except ValueError as error:
        raise SettingsError(str(error)) from error
    with _database() as engine:
        rule = add_rule(engine, name, parsed, utc_now())
    print_lines(f"added rule {rule.name}: {rule.condition} ({_EFFECT})")


@rules.command("list")
def show(output: FormatOption = Format.TABLE) -> None:
    """List all rules, oldest first."""
    with _stored() as engine:
        rows = [
            {"id": rule.id, "name": rule.name, "rule": str(rule.condition), "created_at": format_sortable(created_at)}
            for rule, created_at in (list_rules(engine) if engine else ())
        ]
    empty = 'no rules; add one with ./stockwire rules add NAME "AAPL crossing up 200"'
    print_rows(_RULE_COLUMNS, rows, output, right=_NUMBERS, empty=empty)


@rules.command()
def remove(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The name that ./stockwire rules list shows.")],
) -> None:
    """Remove a rule and keep its alerts."""
    _check_name(name)
    with _database() as engine:
        rule = remove_rule(engine, name)
    print_lines(f"removed rule {rule.name}: {rule.condition} ({_EFFECT})")


def alerts(
    since: TimeOption = None,
    limit: LimitOption = None,
    output: FormatOption = Format.TABLE,
) -> None:
    """List alerts, oldest first.

    --since is compared with `triggered_at`, the time at which the alert was raised.
    """
    columns = _TABLE_COLUMNS if output is Format.TABLE else _ALERT_COLUMNS
    with _stored() as engine:
        rows = (alert.fields() for alert in (read_alerts(engine, since, limit) if engine else ()))
        print_rows(columns, rows, output, right=_NUMBERS, empty=_describe_no_alerts(since))


def _check_name(name: str) -> None:
    try:
        check_name(name)
    except ValueError as error:
        raise SettingsError(str(error)) from error


def _describe_no_alerts(since: datetime | None) -> str:
    return "no alerts" if since is None else f"no alerts since {format_instant(since)}"


@contextmanager
def _database() -> Iterator[Engine]:
    """Yield the alerts database for changes, created or migrated if necessary. Raises StorageError."""
    with opened(load_settings().alerts_url.engine_url) as engine:
        create_schema(engine, SCHEMA)
        yield engine


@contextmanager
def _stored() -> Iterator[Engine | None]:
    """Yield the alerts database for reading, or None if there is none yet. Creates no file.

    Raises StorageError, also if the database must be migrated first.
    """
    url = load_settings().alerts_url
    if url.sqlite_file and not database_exists(url.sqlite_file):
        yield None
        return
    with opened_for_reading(url.engine_url) as engine:
        exists = has_schema(engine, SCHEMA, "./stockwire up or ./stockwire consume alerts")
        yield engine if exists else None
