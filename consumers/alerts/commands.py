"""The commands `stockwire rules` and `stockwire alerts`."""

from datetime import datetime
from typing import Annotated

import typer

from consumers.alerts.conditions.registry import supported_conditions
from consumers.alerts.databases import open_alerts_database, open_stored_alerts
from consumers.alerts.notifications.target_store import find_target
from consumers.alerts.notifications.undelivered import DELIVERY_FIELDS, read_undelivered
from consumers.alerts.notifications.undelivered import redeliver as restart_deliveries
from consumers.alerts.rules.parser import check_name, parse_condition
from consumers.alerts.rules.store import add_rule, list_rules, remove_rule
from consumers.alerts.store import read_alerts
from shared.cli.app import new_app
from shared.cli.options import FormatOption, LimitOption, TimeOption
from shared.cli.output import Format, print_lines, print_rows
from shared.database import writing
from shared.errors import SettingsError
from shared.events import ALERT_FIELDS
from shared.times import format_instant, format_sortable, utc_now

_EFFECT = "a running alerts consumer applies this within 2 seconds"
_RULE_COLUMNS = ("id", "name", "rule", "created_at")
# The fields of PRICE_ALERT's data, in order.
_ALERT_COLUMNS = ALERT_FIELDS
# The columns that fit on a terminal.
_TABLE_COLUMNS = ("as_of", "symbol", "price", "rule_name", "condition", "threshold", "previous_price", "triggered_at")
_UNDELIVERED_TABLE = ("raised_at", "target", "symbol", "rule_name", "price", "result", "attempts", "error")
_NUMBERS = ("id", "price", "threshold", "previous_price")

rules = new_app("Add, list and remove alert rules.")
alerts = new_app(
    "List alerts, oldest first.\n\n--since is compared with `triggered_at`, the time at which the alert was raised."
)


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
    with open_alerts_database() as engine:
        rule = add_rule(engine, name, parsed, utc_now())
    print_lines(f"added rule {rule.name}: {rule.condition} ({_EFFECT})")


@rules.command("list")
def show(output: FormatOption = Format.TABLE) -> None:
    """List all rules, oldest first."""
    with open_stored_alerts() as engine:
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
    with open_alerts_database() as engine:
        rule = remove_rule(engine, name)
    print_lines(f"removed rule {rule.name}: {rule.condition} ({_EFFECT})")


@alerts.callback(invoke_without_command=True, no_args_is_help=False)
def list_alerts(
    context: typer.Context,
    since: TimeOption = None,
    limit: LimitOption = None,
    undelivered: Annotated[
        bool, typer.Option("--undelivered", help="Only alerts that a target did not get, with the reason.")
    ] = False,
    output: FormatOption = Format.TABLE,
) -> None:
    if context.invoked_subcommand is not None:
        return
    if undelivered:
        _list_undelivered(since, limit, output)
        return
    columns = _TABLE_COLUMNS if output is Format.TABLE else _ALERT_COLUMNS
    with open_stored_alerts() as engine:
        rows = (alert.fields() for alert in (read_alerts(engine, since, limit) if engine else ()))
        print_rows(columns, rows, output, right=_NUMBERS, empty=_describe_no_alerts(since))


@alerts.command()
def redeliver(
    ids: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[ID]...", help="The ids of alerts that ./stockwire alerts --undelivered shows as JSON."
        ),
    ] = None,
    target: Annotated[str | None, typer.Option(metavar="NAME", help="Only alerts for this target.")] = None,
    since: TimeOption = None,
) -> None:
    """Send alerts again that were given up: all of them, or those that are named."""
    with open_alerts_database() as engine, writing(engine) as connection:
        if target is not None:
            find_target(connection, target)
        count = restart_deliveries(connection, utc_now(), event_ids=ids or (), target=target, since=since)
    if ids and not count:
        raise SettingsError(
            "no undelivered alert has this id: ./stockwire alerts --undelivered --format json lists them"
        )
    if count:
        print_lines(f"alerts that a running alerts consumer will send again within 2 seconds: {count}")
    else:
        print_lines("there is nothing to send again")


def _list_undelivered(since: datetime | None, limit: int | None, output: Format) -> None:
    columns = _UNDELIVERED_TABLE if output is Format.TABLE else (*DELIVERY_FIELDS, *_ALERT_COLUMNS)
    with open_stored_alerts() as engine:
        rows = read_undelivered(engine, since, limit) if engine else ()
        print_rows(columns, rows, output, right=(*_NUMBERS, "attempts"), empty="no undelivered alerts")


def _check_name(name: str) -> None:
    try:
        check_name(name)
    except ValueError as error:
        raise SettingsError(str(error)) from error


def _describe_no_alerts(since: datetime | None) -> str:
    return "no alerts" if since is None else f"no alerts since {format_instant(since)}"
