"""The command line: every command, put together."""

import os
import sys
from typing import Annotated

import typer

from consumers.alerts.commands import alerts, rules
from consumers.commands import consume
from consumers.history.commands import gaps, history, latest, symbols
from infra.backfill import backfill
from infra.dead_letters import dead
from infra.doctor import doctor
from infra.up.command import up
from infra.up.install import find_server, install_server
from producer.commands import replay, sync
from producer.plan.command import plan
from producer.watch_commands import watch
from shared.errors import ProcessError
from shared.settings import ROOT

cli = typer.Typer(
    name="stockwire",
    help="An event-driven stock price pipeline: Celery, RabbitMQ and SQLite.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


# Most tests wait for a process most of the time. A file stays in one piece, for what its tests share.
_IN_PARALLEL = ["-n", "3", "--dist", "loadfile"]
_FAULTS = ["tests/faults", "-m", "not control and not slow", "-n", "3", "--dist", "load"]


def test(
    arguments: Annotated[
        list[str] | None, typer.Argument(metavar="[PYTEST ARGUMENT]...", help="Handed to pytest.")
    ] = None,
    faults: Annotated[
        bool, typer.Option("--faults", help="Run what kills, blocks and fills up (some minutes).")
    ] = False,
) -> None:
    """Install what the tests need and run them: all of them in parallel, or what the arguments say, one by one."""
    if find_server() is None:
        try:
            install_server()
        except ProcessError as error:
            print(f"stockwire: {error}; what needs it is skipped", file=sys.stderr)
    os.chdir(ROOT)
    words = [*_FAULTS, *(arguments or [])] if faults else arguments or _IN_PARALLEL
    os.execv(sys.executable, [sys.executable, "-m", "pytest", *words])  # noqa: S606 - pytest takes over


def bench(
    arguments: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME] [--json]", help="Which one, and how.")
    ] = None,
) -> None:
    """Measure Stockwire side by side with what else there is; without a name, list the benchmarks."""
    os.chdir(ROOT)
    os.execv(sys.executable, [sys.executable, "-m", "benchmarks", *(arguments or [])])  # noqa: S606


_PASS_ON = {"ignore_unknown_options": True, "allow_interspersed_args": False}

cli.command(rich_help_panel="Run")(up)
cli.command(rich_help_panel="Run")(sync)
cli.command(rich_help_panel="Run")(replay)
cli.command(rich_help_panel="Run")(backfill)
cli.command(rich_help_panel="Run")(consume)
cli.command(rich_help_panel="Query")(history)
cli.command(rich_help_panel="Query")(latest)
cli.command(rich_help_panel="Query")(symbols)
cli.command(rich_help_panel="Query")(gaps)
cli.command(rich_help_panel="Query")(alerts)
cli.add_typer(watch, name="watch", rich_help_panel="Watch")
cli.command(rich_help_panel="Watch")(plan)
cli.add_typer(rules, name="rules", rich_help_panel="Watch")
cli.add_typer(dead, name="dead", rich_help_panel="Maintain")
cli.command(rich_help_panel="Maintain")(doctor)
cli.command(rich_help_panel="Maintain", context_settings=_PASS_ON)(test)
# Its help is that of the benchmarks, which know what there is to run.
cli.command(rich_help_panel="Maintain", context_settings=_PASS_ON, add_help_option=False)(bench)
