"""The commands `stockwire dead`: list, show, requeue and drop dead letters."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Annotated, Any

import typer

from consumers.registry import BUILT_IN
from shared.cli.app import new_app
from shared.cli.escaping import escape_json
from shared.cli.options import FormatOption
from shared.cli.output import Format, print_lines, print_rows
from shared.messaging import dead_letters
from shared.messaging.amqp.connection import Connection, connected
from shared.messaging.amqp.queues import count_messages
from shared.messaging.messages import Delivery
from shared.messaging.permissions import Permissions
from shared.messaging.publisher import Publisher
from shared.messaging.topology import check_queue_name, queue_name
from shared.settings import load_settings

dead = new_app("List, show, requeue or drop dead letters.")

# A dead letter goes back to its queue through RabbitMQ's default exchange, which has this name for permissions.
PERMISSIONS = Permissions(write=(r"amq\.default",), read=(r".*\.dead",))

_SUFFIX = ".dead"
_MAX_LISTED = 1000

Queue = Annotated[
    str, typer.Argument(metavar="QUEUE", help="A consumer's name or its queue: history, stockwire.history, …")
]
Limit = Annotated[int, typer.Option(min=1, max=_MAX_LISTED, metavar="N", help="At most N dead letters, oldest first.")]


def full_queue_name(connection: Connection, text: str) -> str:
    """Return the queue `stockwire.mine` for `mine`, `stockwire.mine` and `stockwire.mine.dead`, if it exists."""
    name = text.removesuffix(_SUFFIX)
    by_consumer = check_queue_name(queue_name(name))
    return by_consumer if count_messages(connection, by_consumer) is not None else name


def count_all(connection: Connection) -> dict[str, int]:
    """Return the number of dead letters of each built-in consumer that has run, by its queue."""
    counts = {name: dead_letters.count_dead_letters(connection, name) for name in map(queue_name, BUILT_IN)}
    return {name: count for name, count in counts.items() if count is not None}


def readable_lines(body: bytes) -> list[str]:
    """Return the lines of indented JSON, or the text of a body that is not JSON as one line."""
    try:
        return [escape_json(line) for line in json.dumps(json.loads(body), indent=2, ensure_ascii=False).split("\n")]
    except (ValueError, RecursionError):
        return [body.decode(errors="backslashreplace")]


@dead.command("list")
def list_(
    queue: Annotated[
        str | None,
        typer.Argument(metavar="[QUEUE]", help="Default: the number of dead letters of each built-in consumer."),
    ] = None,
    limit: Limit = _MAX_LISTED,
    output: FormatOption = Format.TABLE,
) -> None:
    """List dead letters with their reasons, or their number for each built-in consumer."""
    with _broker() as (connection, _):
        if queue is None:
            counts = [{"queue": name, "dead": count} for name, count in count_all(connection).items()]
            print_rows(("queue", "dead"), counts, output, right=("dead",), empty="no consumer has run yet")
            return
        name = full_queue_name(connection, queue)
        rows = dead_letters.peek(connection, name, limit, _row)
    columns = ("died_at", "routing_key", "message_id", "reason")
    print_rows(columns, rows, output, empty=f"{name} has no dead letters")


@dead.command()
def show(queue: Queue, limit: Limit = 10) -> None:
    """Show dead letters in full, with properties, headers and body, and keep them."""
    with _broker() as (connection, _):
        name = full_queue_name(connection, queue)
        found = dead_letters.peek(connection, name, limit, _describe)
    if not found:
        print_lines(f"{name} has no dead letters", error=True)
    for number, (reason, lines) in enumerate(found, 1):
        print_lines(f"--- {number} of {len(found)}: {reason}", *lines, "")


@dead.command()
def requeue(queue: Queue) -> None:
    """Send dead letters back to their consumer, which handles them again, except those without their body."""
    with _broker() as (connection, publisher):
        name = full_queue_name(connection, queue)
        sent, left = dead_letters.requeue(connection, publisher, name)
    print_lines(f"sent {sent} back to {name}" if sent or left else f"{name} has no dead letters")
    if left:
        print_lines(
            f"left {left} whose body was over 64 KiB and was dropped; ./stockwire dead drop {name} deletes them"
        )


@dead.command()
def drop(queue: Queue) -> None:
    """Delete dead letters."""
    with _broker() as (connection, _):
        name = full_queue_name(connection, queue)
        dropped = dead_letters.purge(connection, name)
    print_lines(f"dropped {dropped} dead letters of {name}" if dropped else f"{name} has no dead letters")


@contextmanager
def _broker() -> Iterator[tuple[Connection, Publisher]]:
    address = load_settings().amqp_url
    with (
        connected(address, "dead letters", PERMISSIONS) as connection,
        Publisher(address, "dead letters", permissions=PERMISSIONS) as publisher,
    ):
        yield connection, publisher


def _row(delivery: Delivery) -> Mapping[str, Any]:
    death = dead_letters.describe_death(delivery)
    return {
        "died_at": death.died_at,
        "routing_key": death.routing_key,
        "message_id": delivery.properties.get("message_id"),
        "reason": death.reason,
    }


def _describe(delivery: Delivery) -> tuple[str, list[str]]:
    """Return the reason of a dead letter, and its properties, headers and body as lines."""
    properties = {name: value for name, value in delivery.properties.items() if name != "headers"}
    headers = dead_letters.trusted_headers(delivery)
    lines = [f"{name}: {value}" for name, value in [*properties.items(), *headers.items()]]
    return dead_letters.describe_death(delivery).reason, [*lines, "", *_body_lines(delivery)]


def _body_lines(delivery: Delivery) -> list[str]:
    """Return the lines of indented JSON, or one line about a body that is not JSON or that was dropped."""
    dropped = dead_letters.dropped_body(delivery)
    if dropped is not None:
        return [f"(body of {dropped.size} bytes, dropped; SHA-256 {dropped.sha256})"]
    return readable_lines(delivery.body) if delivery.body else ["(empty body)"]
