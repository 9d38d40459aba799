"""The command `stockwire consume`, also available as `python -m consumers`."""

import logging
from typing import Annotated

import typer

from consumers.registry import BUILT_IN, find_consumer
from shared.cli.logs import set_up_logs
from shared.cli.output import print_rows


def consume(
    context: typer.Context,
    name: Annotated[
        str | None,
        typer.Argument(metavar="NAME", help=f"{', '.join(BUILT_IN)}, or module:object for your own consumer."),
    ] = None,
    pattern: Annotated[
        list[str] | None,
        typer.Option(help="Routing pattern instead of the consumer's own, such as stock.AAPL.price. Repeatable."),
    ] = None,
    queue: Annotated[
        str | None,
        typer.Option(help="Queue instead of stockwire.NAME. Processes on the same queue share its messages."),
    ] = None,
    show_list: Annotated[bool, typer.Option("--list", help="List the built-in consumers.")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Log debug messages and tracebacks.")] = False,
) -> None:
    """Run one consumer in the foreground until Ctrl-C or SIGTERM."""
    if show_list:
        rows = [{"name": each, "does": about} for each, (_, about) in BUILT_IN.items()]
        print_rows(("name", "does"), rows)
        return
    if name is None:
        raise typer.BadParameter("name a consumer, or use --list", ctx=context, param_hint="NAME")
    from shared.garbage_collection import collect_for_batches
    from shared.messaging.runner import run_consumer
    from shared.settings import load_settings
    from shared.signals import stop_on_signals

    with stop_on_signals() as stop:
        set_up_logs(name, logging.DEBUG if verbose else logging.INFO)
        consumer = find_consumer(name)
        collect_for_batches()
        run_consumer(consumer, load_settings(), stop, queue=queue, patterns=pattern or ())
