"""The command `stockwire alerts`."""

from datetime import datetime
from typing import Annotated

import typer

from consumers.alerts.databases import open_alerts_database, open_stored_alerts
from consumers.alerts.notifications.target_store import find_target
from consumers.alerts.notifications.undelivered import DELIVERY_FIELDS, read_undelivered
from consumers.alerts.notifications.undelivered import redeliver as restart_deliveries
from consumers.alerts.store import read_alerts
from shared.cli.app import new_app
from shared.cli.options import FormatOption, LimitOption, TimeOption
from shared.cli.output import Format, print_lines, print_rows
from shared.database.engine import writing
from shared.errors import SettingsError
from shared.events import ALERT_FIELDS
from shared.times import format_instant, utc_now

# The fields of PRICE_ALERT's data, in order.
_ALERT_COLUMNS = ALERT_FIELDS
# The columns that fit on a terminal.
_TABLE_COLUMNS = ("as_of", "symbol", "price", "rule_name", "terms", "state", "previous_price", "triggered_at")
_UNDELIVERED_TABLE = ("raised_at", "target", "symbol", "rule_name", "price", "result", "attempts", "error")
_NUMBERS = ("id", "price", "threshold", "previous_price")

alerts = new_app(
    "List alerts, oldest first.\n\n--since is compared with `triggered_at`, the time at which the alert was raised."
)


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


def _describe_no_alerts(since: datetime | None) -> str:
    return "no alerts" if since is None else f"no alerts since {format_instant(since)}"
