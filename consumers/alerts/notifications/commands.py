"""The commands `stockwire notify`: where alerts are sent."""

import sys
import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Annotated, Any

import typer

from consumers.alerts.databases import open_alerts_database, open_stored_alerts
from consumers.alerts.notifications.attempts import try_to_send
from consumers.alerts.notifications.channels import open_channel
from consumers.alerts.notifications.deliveries import UNDELIVERED, Delivery, State, pending_deliveries
from consumers.alerts.notifications.signing import check_secret, generate_secret
from consumers.alerts.notifications.target_store import (
    add_target,
    enable_target,
    find_target,
    read_targets,
    remove_target,
    rules_of_target,
)
from consumers.alerts.notifications.targets import (
    DEFAULT_TTL,
    RateLimit,
    Target,
    check_target_name,
    check_ttl,
    check_url,
    is_webhook,
)
from consumers.alerts.notifications.trial_message import make_test_message
from consumers.alerts.notifications.undelivered import count_deliveries
from shared.cli.app import new_app
from shared.cli.options import FormatOption, usage_parser
from shared.cli.output import Format, print_lines, print_rows
from shared.database.engine import reading, writing
from shared.errors import DeliveryFailed, SettingsError
from shared.times import format_duration, parse_duration, utc_now

_COLUMNS = ("name", "address", "signed", "at_most", "ttl", "state", "pending", "undelivered")
_GENERATE = "generate"
_FROM_STDIN = "-"

notify = new_app("Add, list, test and remove targets: where alerts are sent.")

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="The name that ./stockwire notify list shows.")]


def _parse_ttl(text: str) -> timedelta:
    return check_ttl(parse_duration(text))


@notify.command()
def add(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The target's name, for --notify of rules.")],
    url: Annotated[
        str,
        typer.Argument(
            metavar="URL",
            help="https://… for a webhook, anything else for apprise. - reads the URL from standard input.",
        ),
    ],
    secret: Annotated[
        str | None,
        typer.Option(
            metavar="S",
            help="Sign webhooks with this secret (whsec_…). generate makes a new one, - reads it from standard input.",
        ),
    ] = None,
    at_most: Annotated[
        RateLimit | None,
        typer.Option(
            parser=usage_parser(RateLimit.parse), metavar="10/1m", help="Send what is beyond this limit as one digest."
        ),
    ] = None,
    ttl: Annotated[
        timedelta | None,
        typer.Option(
            parser=usage_parser(_parse_ttl), metavar="1h", help="Give up an alert after this time; an hour by default."
        ),
    ] = None,
) -> None:
    """Add a target. Its URL is a secret, which no command shows."""
    try:
        check_target_name(name)
        url = check_url(_read_line("URL") if url == _FROM_STDIN else url)
        shown = secret == _GENERATE
        secret = _choose_secret(secret)
    except ValueError as error:
        raise SettingsError(str(error)) from error
    target = Target(0, name, url, secret, at_most, ttl or DEFAULT_TTL)
    _check_channel(target)
    with open_alerts_database() as engine, writing(engine) as connection:
        add_target(connection, target, utc_now())
    print_lines(f"added target {name} ({target.address}); ./stockwire notify test {name} sends it a message")
    if shown:
        print_lines(f"secret, which is not shown again: {secret}")


@notify.command("list")
def show(output: FormatOption = Format.TABLE) -> None:
    """List all targets, with the number of alerts that are pending and of those that were given up."""
    rows = []
    with open_stored_alerts() as engine:
        if engine:
            with reading(engine) as connection:
                counts = count_deliveries(connection)
                rows = [
                    _describe(target, pending_deliveries(connection, target.name, 1), counts)
                    for target in read_targets(connection)
                ]
    empty = "no targets; add one with ./stockwire notify add NAME URL"
    print_rows(_COLUMNS, rows, output, right=("pending", "undelivered"), empty=empty)


@notify.command()
def test(name: NameArgument) -> None:
    """Send a test message now, and say if the target took it. Enables a disabled target that takes it."""
    with open_alerts_database() as engine:
        with reading(engine) as connection:
            target = find_target(connection, name)
        _send_test_message(target, utc_now())
        print_lines(f"target {name} ({target.address}) took the test message")
        if target.disabled_reason:
            with writing(engine) as connection:
                enable_target(connection, target)
            print_lines(f"target {name} is enabled again; ./stockwire alerts redeliver sends what it has missed")


@notify.command()
def remove(name: NameArgument) -> None:
    """Remove a target, and give up the alerts that are pending for it."""
    with open_alerts_database() as engine, writing(engine) as connection:
        count = remove_target(connection, name, utc_now())
        rules = rules_of_target(connection, name)
    left = f"; alerts that it did not get, which ./stockwire alerts --undelivered lists: {count}" if count else ""
    print_lines(f"removed target {name}{left}")
    if rules:
        print_lines(
            f"rules that still name it: {', '.join(rules)}; change them with ./stockwire rules edit, or add a target"
            " of this name"
        )


def _describe(
    target: Target, oldest_pending: Sequence[Delivery], counts: Mapping[tuple[str, str], int]
) -> dict[str, Any]:
    """Return a row of the list."""
    error = oldest_pending[0].last_error if oldest_pending else None
    state = f"failing: {error}" if error else "enabled"
    return {
        "name": target.name,
        "address": target.address,
        "signed": "yes" if target.secret else "no",
        "at_most": target.at_most and str(target.at_most),
        "ttl": format_duration(target.ttl),
        "state": f"disabled: {target.disabled_reason}" if target.disabled_reason else state,
        "pending": counts.get((target.name, State.PENDING), 0),
        "undelivered": sum(counts.get((target.name, state), 0) for state in UNDELIVERED),
    }


def _choose_secret(secret: str | None) -> str | None:
    """Return the secret that the option means. Raises ValueError."""
    if secret is None:
        return None
    if secret == _GENERATE:
        return generate_secret()
    return check_secret(_read_line("secret") if secret == _FROM_STDIN else secret)


def _read_line(what: str) -> str:
    """Return a line of standard input, without showing it on a terminal."""
    if sys.stdin.isatty():
        return str(typer.prompt(what, hide_input=True, err=True))
    return sys.stdin.readline().strip()


def _check_channel(target: Target) -> None:
    """Raise SettingsError if no message can be sent to a URL of this form."""
    if not is_webhook(target.url):
        if target.secret:
            raise SettingsError(f"target {target.name} cannot have a secret: only http and https messages are signed")
        open_channel(target).close()


def _send_test_message(target: Target, now: datetime) -> None:
    """Raise DeliveryFailed if the target does not take a test message."""
    channel = open_channel(target)
    try:
        result = try_to_send(channel, lambda: make_test_message(target.name, str(uuid.uuid4()), now))
    finally:
        channel.close()
    if result.error is not None:
        raise DeliveryFailed(f"target {target.name} ({target.address}) did not take the test message: {result.error}")
