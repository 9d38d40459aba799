"""The entry point `python -m benchmarks`, which `./stockwire bench` starts."""

import signal
import sys
from typing import Annotated, NoReturn

import typer

from benchmarks import alerts as alerting
from benchmarks import api as serving
from benchmarks import latency as delay
from benchmarks import persist as persisting
from benchmarks import publish as publishing
from benchmarks import query as querying
from benchmarks import sync as syncing
from benchmarks.alerts import AlertsReport
from benchmarks.api import ApiReport
from benchmarks.query import QueryReport
from benchmarks.report import Report
from shared.cli.app import new_app, run

cli = new_app("Measure Stockwire beside other programs, in one run on this machine.")

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


@cli.callback()
def bench() -> None:
    pass


@cli.command()
def publish(as_json: AsJson = False) -> None:
    """Publish 50,000 confirmed persistent events to one queue from one process."""
    show(publishing.measure(), as_json=as_json)


@cli.command()
def persist(as_json: AsJson = False) -> None:
    """Commit 100,000 queued events to SQLite and acknowledge them in one process."""
    show(persisting.measure(), as_json=as_json)


@cli.command()
def latency(as_json: AsJson = False) -> None:
    """Time each event from its publication to its committed row, at 200 events/s."""
    show(delay.measure(), as_json=as_json)


@cli.command()
def sync(as_json: AsJson = False) -> None:
    """Fetch 500 symbols from a provider that takes 100 ms per call, and publish them."""
    show(syncing.measure(), as_json=as_json)


@cli.command()
def alerts(
    as_json: AsJson = False,
    rules: Annotated[int, typer.Option(min=1_000, help="How many rules; the goals are for a million.")] = 1_000_000,
) -> None:
    """Evaluate events with a million alert rules on 500 symbols, beside a thousand rules."""
    show(alerting.measure(rules), as_json=as_json)


@cli.command()
def query(
    as_json: AsJson = False,
    rows: Annotated[
        int, typer.Option(min=200_000, help="How many stored prices; the goals are for ten million.")
    ] = 10_000_000,
) -> None:
    """Ask ten million stored prices of 500 symbols for the newest of each, a day, and a year of candles."""
    show(querying.measure(rows), as_json=as_json)


@cli.command()
def api(as_json: AsJson = False) -> None:
    """Answer requests over HTTP beside other servers, and send live events to a thousand readers."""
    show(serving.measure(), as_json=as_json)


def show(report: Report | AlertsReport | ApiReport | QueryReport, *, as_json: bool) -> None:
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
