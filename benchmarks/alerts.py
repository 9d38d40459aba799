"""The bench `alerts`: one process evaluates events with a million rules on 500 symbols, and with a thousand.

Both have the same thousand rules that fire, so both fire equally often. 90 % of the rules have a threshold, and 10 % a
window of one of ten lengths. The clock runs from the bodies of events to committed prices and alerts, without RabbitMQ,
after a first event of each symbol.
"""

import json
import resource
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import Any

from sqlalchemy import Engine
from sqlalchemy.engine import URL

from benchmarks.generated_prices import SYMBOLS, price_messages
from benchmarks.report import Rates
from benchmarks.rounds import Figures, run_rounds
from benchmarks.side_process import Job, Side, Stopwatch, result, started
from shared.errors import ProcessError
from shared.times import utc_now

FEW = 1_000
MANY = 1_000_000
EVENTS = 25_000
BATCH = 500
_CHUNK = 20_000
_NO_RABBITMQ = "amqp://localhost:1/"


@dataclass(frozen=True)
class AlertsReport:
    """Events per second by side, and what a start and a change of the rules take with many rules."""

    rates: Rates
    ready: float
    megabytes: float
    change: float

    def as_json(self) -> str:
        figures = {"ready_s": self.ready, "memory_mb": self.megabytes, "change_s": self.change}
        return json.dumps(json.loads(self.rates.as_json()) | figures)

    def show(self) -> None:
        self.rates.show()
        print(f"ready in {self.ready:.2f} s with {self.megabytes:.0f} MB (goals 3 s and 200 MB)")
        print(f"a change of the rules is in effect after {self.change:.2f} s (goal 2 s)")


def measure(rules: int = MANY) -> AlertsReport:
    """Run the sides in turn on databases with `rules` rules and with FEW."""
    with tempfile.TemporaryDirectory(prefix="stockwire-bench-") as folder:
        few, many = Path(folder) / "few.db", Path(folder) / "many.db"
        fill(few, FEW)
        fill(many, rules)
        databases = {"ours": many, "few rules": few, "reloading": many}
        starts: list[tuple[float, float, float]] = []

        def once(name: str) -> Figures:
            figures = _run(name, databases[name], Path(folder))
            if name == "ours":
                starts.append((figures[1], figures[2], figures[3]))
            return figures[:1]

        rates = {name: figures[0] for name, figures in run_rounds("alerts", SIDES, once).items()}
    worst = [max(values) for values in zip(*starts, strict=True)]
    goals = {"few rules": 0.7, "reloading": 1000}
    return AlertsReport(Rates("alerts", SIDES, rates, goals), *worst)


def fill(path: Path, count: int) -> None:
    """Create an alerts database with `count` rules, of which the first thousand fire."""
    from consumers.alerts.rules.store import insert_rules
    from consumers.alerts.tables import SCHEMA
    from shared.database.engine import opened, writing
    from shared.database.schema import create_schema

    print(f"alerts: storing {count:,} rules", file=sys.stderr)
    with opened(_url(path)) as engine:
        create_schema(engine, SCHEMA)
        rules = _rules(count)
        while chunk := list(islice(rules, _CHUNK)):
            with writing(engine) as connection:
                insert_rules(connection, chunk)


def _rules(count: int) -> Iterator[Any]:
    from consumers.alerts.rules.models import Rule
    from consumers.alerts.rules.parser import parse_terms

    now = utc_now()
    for number in range(count):
        line = _firing_line(number) if number < FEW else _quiet_line(number)
        yield Rule(0, f"rule {number}", parse_terms(f"{SYMBOLS[number % len(SYMBOLS)]} {line}"), 0, created_at=now)


def _firing_line(number: int) -> str:
    """Return a condition that comes true now and then: the prices are from 100 to 150, and rise by 0.31 a second."""
    if _has_window(number):
        return f"moving up {1 + number % 3}% in {_span(number)}s"
    return f"{('above', 'below', 'crossing', 'crossing up', 'crossing down')[number % 5]} {101 + number % 49}"


def _quiet_line(number: int) -> str:
    """Return a condition that no price reaches."""
    if _has_window(number):
        return f"moving up {60 + number % 40}.{number % 9973:04d}% in {_span(number)}s"
    side = number % 4
    price = Decimal(160) + Decimal(number % 99_991) / 100 if side < 2 else Decimal(1) + Decimal(number % 8_900) / 100
    return f"{('above', 'crossing up', 'below', 'crossing')[side]} {price}"


def _has_window(number: int) -> bool:
    """Return True for one rule in ten, in turn on each symbol."""
    return (number + number // len(SYMBOLS)) % 10 == 0


def _span(number: int) -> int:
    """Return one of ten lengths in seconds."""
    return 5 + (number + number // len(SYMBOLS)) // 10 % 10


def _run(name: str, database: Path, folder: Path) -> Figures:
    """Run a side on a copy of the database."""
    copy = folder / "run.db"
    for each in folder.glob("run.db*"):
        each.unlink()
    shutil.copyfile(database, copy)
    side = SIDES[name]
    with started(side.work, Job(_NO_RABBITMQ, "", side.events, str(copy))) as process:
        seconds, fired, *start = result(process, name)
    if name != "reloading" and not fired:
        raise ProcessError("no rule has fired: the figure is not valid")
    return (side.events / seconds, *start)


def ours(job: Job) -> tuple[float, ...]:
    """Return the seconds of the events, the alerts, and for the start: seconds, megabytes, seconds of a change."""
    begin = time.monotonic()
    from consumers.alerts.handler import AlertHandler
    from consumers.alerts.tables import SCHEMA
    from shared.database.engine import opened
    from shared.database.schema import create_schema

    fired = 0

    def publish(messages: Any) -> int:
        nonlocal fired
        fired += sum(1 for _ in messages)
        return 0

    with opened(_url(Path(job.database))) as engine, _silent_stdout():
        create_schema(engine, SCHEMA)
        handle = AlertHandler(engine, publish)
        handle.relay_at_start()
        ready = time.monotonic() - begin
        first, *batches = _batches(job.events + len(SYMBOLS))
        handle(_decoded(first))
        watch = Stopwatch()
        watch.start()
        for batch in batches:
            handle(_decoded(batch))
        watch.stop()
        change = _time_change(engine, handle, batches[-1])
    megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return watch.seconds, fired, ready, megabytes, change


def _time_change(engine: Engine, handle: Any, last: Sequence[bytes]) -> float:
    """Return the seconds from the command that adds a rule to the alert that it raises with the next event."""
    from consumers.alerts.rules.parser import parse_terms
    from consumers.alerts.rules.store import add_rule
    from consumers.alerts.store import read_alerts
    from shared.events import StockData

    event = StockData.decode(last[-1], utc_now())
    begin = time.monotonic()
    add_rule(engine, "a change", parse_terms(f"{event.symbol} above 1"), utc_now())
    handle([_later(event)])
    seconds = time.monotonic() - begin
    if next(iter(read_alerts(engine, limit=1))).rule_name != "a change":
        raise ProcessError("the changed rule has not fired: the figure is not valid")
    return seconds


def _later(event: Any) -> Any:
    from datetime import timedelta

    from shared.events import StockData

    as_of = event.as_of + timedelta(seconds=1)
    return StockData.create(
        symbol=event.symbol,
        price=event.price,
        currency=event.currency,
        as_of=as_of,
        provider=event.provider,
        observed_at=as_of,
    )


def reloading(job: Job) -> tuple[float, int]:
    """Read all rules from the database for each event, and check each of them."""
    from sqlalchemy import select

    from consumers.alerts.rules.rows import rule_of_row
    from consumers.alerts.tables import rules
    from shared.database.engine import opened, reading

    watch, previous = Stopwatch(), Decimal(0)
    with opened(_url(Path(job.database))) as engine:
        [bodies] = _batches(job.events)
        watch.start()
        for event in _decoded(bodies):
            with reading(engine) as connection:
                for row in connection.execute(select(rules)).mappings():
                    if row["symbol"] == event.symbol:
                        rule = rule_of_row(row)
                        if rule.condition.threshold is not None and previous < rule.condition.threshold <= event.price:
                            previous = event.price
        watch.stop()
    return watch.seconds, 0


@contextmanager
def _silent_stdout() -> Iterator[None]:
    """Let alerts be printed to nowhere: the figures are on stdout."""
    stdout = sys.stdout
    with Path("/dev/null").open("w") as nowhere:
        sys.stdout = nowhere
        try:
            yield
        finally:
            sys.stdout = stdout


def _batches(events: int) -> list[list[bytes]]:
    bodies = [message.body for message in price_messages(events)]
    return [bodies[start : start + BATCH] for start in range(0, len(bodies), BATCH)]


def _decoded(bodies: Sequence[bytes]) -> list[Any]:
    from shared.events import StockData

    now = utc_now()
    return [StockData.decode(body, now) for body in bodies]


def _url(path: Path) -> URL:
    return URL.create("sqlite", database=str(path))


SIDES = {
    "ours": Side("the handler of the alerts consumer, batches of 500 events", EVENTS, ours),
    "few rules": Side("the same with 1,000 rules, which fire as often", EVENTS, ours),
    "reloading": Side("read and check all rules for each event", 2, reloading),
}
