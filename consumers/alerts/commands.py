"""The command `stockwire alerts`."""

from collections.abc import Iterator
from datetime import datetime
from typing import Annotated, Any

import typer

from consumers.alerts.databases import open_alerts_database, open_stored_alerts
from consumers.alerts.notifications.target_store import find_target
from consumers.alerts.notifications.undelivered import DELIVERY_FIELDS, read_undelivered
from consumers.alerts.notifications.undelivered import redeliver as restart_deliveries
from consumers.alerts.store import read_alerts
from shared.cli.app import new_app
from shared.cli.exports import Export, ExportFormat, ExportFormatOption, OutputOption, choose_format, export
from shared.cli.options import LimitOption, TimeOption
from shared.cli.output import print_lines
from shared.columns import Kind
from shared.database.engine import writing
from shared.errors import SettingsError
from shared.events import ALERT_FIELDS
from shared.times import format_instant, utc_now

# The columns that fit on a terminal.
_TABLE_COLUMNS = ("as_of", "symbol", "price", "rule_name", "terms", "state", "previous_price", "triggered_at")
_UNDELIVERED_TABLE = ("raised_at", "target", "symbol", "rule_name", "price", "result", "attempts", "error")
_KINDS = {
    **dict.fromkeys(("rule_id", "attempts"), Kind.INTEGER),
    **dict.fromkeys(("price", "threshold", "previous_price"), Kind.PRICE),
    **dict.fromkeys(("as_of", "triggered_at", "raised_at", "given_up_at"), Kind.TIME),
    "silenced": Kind.BOOLEAN,
}

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
    form: ExportFormatOption = None,
    output: OutputOption = None,
) -> None:
    if context.invoked_subcommand is not None:
        return
    is_table = choose_format(form, output) is ExportFormat.TABLE
    with open_stored_alerts() as engine:

        def read() -> Iterator[dict[str, Any]]:
            if engine is None:
                return iter(())
            if undelivered:
                return read_undelivered(engine, since, limit)
            return (alert.fields() for alert in read_alerts(engine, since, limit))

        if undelivered:
            columns = _UNDELIVERED_TABLE if is_table else (*DELIVERY_FIELDS, *ALERT_FIELDS)
            empty = "no undelivered alerts"
        else:
            columns, empty = _TABLE_COLUMNS if is_table else ALERT_FIELDS, _describe_no_alerts(since)
        kinds = {name: _KINDS.get(name, Kind.TEXT) for name in columns}
        export(Export(kinds, read, empty), form, output)


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


def _describe_no_alerts(since: datetime | None) -> str:
    return "no alerts" if since is None else f"no alerts since {format_instant(since)}"
