"""The entry point `python -m benchmarks`, which `./stockwire bench` starts."""

import signal
import sys
from typing import Annotated, NoReturn

import typer

from benchmarks import latency as delay
from benchmarks import persist as persisting
from benchmarks import publish as publishing
from benchmarks import sync as syncing
from benchmarks.report import Report
from shared.cli.app import new_app, run

cli = new_app("Measure Stockwire beside other programs, in one run on this machine.")

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


@cli.callback()
def bench() -> None:
    pass


@cli.command()
def publish(as_json: AsJson = False) -> None:
    """50,000 confirmed persistent events into one queue, one process."""
    show(publishing.measure(), as_json=as_json)


@cli.command()
def persist(as_json: AsJson = False) -> None:
    """100,000 queued events committed to SQLite and acknowledged, one process."""
    show(persisting.measure(), as_json=as_json)


@cli.command()
def latency(as_json: AsJson = False) -> None:
    """From publishing an event to its committed row, at 200 events/s."""
    show(delay.measure(), as_json=as_json)


@cli.command()
def sync(as_json: AsJson = False) -> None:
    """500 symbols fetched from a provider that takes 100 ms a call, and published."""
    show(syncing.measure(), as_json=as_json)


def show(report: Report, *, as_json: bool) -> None:
    if as_json:
        print(report.as_json())
    else:
        report.show()


def end(number: int, _frame: object) -> NoReturn:
    """Exit through every `finally`, so that the broker is stopped and the files are deleted."""
    sys.exit(128 + number)


if __name__ == "__main__":
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, end)
    run(cli, "stockwire bench")
