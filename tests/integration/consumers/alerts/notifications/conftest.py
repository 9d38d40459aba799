"""An alerts database with targets and deliveries to them, and senders whose clock is the test's."""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import Engine, select
from sqlalchemy.engine import URL, make_url

from consumers.alerts.notifications.channels import open_channel
from consumers.alerts.notifications.deliveries import queue_deliveries
from consumers.alerts.notifications.sender import Sender
from consumers.alerts.notifications.target_store import add_target
from consumers.alerts.notifications.targets import Target
from consumers.alerts.tables import SCHEMA, deliveries
from shared.database.engine import open_engine, reading, writing
from shared.database.schema import create_schema
from shared.events import PriceAlert
from tests.event_factories import NOW, price_alert, stock_data
from tests.fake_http_server import Answer
from tests.polling import eventually

# Seconds of a try, instead of 10: a busy machine needs a part of them to answer.
TIMEOUT = 1.5
OK = Answer("ok")
FAILING = Answer("", 500)


class Outbox:
    """The deliveries of a database; every alert is raised at the time of `clock`."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.now = NOW

    def clock(self) -> datetime:
        return self.now

    def add_target(self, name: str, url: str = "http://127.0.0.1:1/secret", **fields: object) -> Target:
        with writing(self.engine) as connection:
            add_target(connection, Target(0, name, url, **fields), self.now)  # type: ignore[arg-type]
        return Target(0, name, url, **fields)  # type: ignore[arg-type]

    def queue(self, count: int, *targets: str, first: int = 1) -> list[str]:
        """Queue alerts for each target, and return the ids of the alerts."""
        alerts = [numbered_alert(number) for number in range(first, first + count)]
        with writing(self.engine) as connection:
            queue_deliveries(connection, [(alert, target) for alert in alerts for target in targets], self.now)
        return [alert.id for alert in alerts]

    def rows(self, *columns: str, target: str | None = None) -> list[tuple[object, ...]]:
        """Return these columns of all deliveries, oldest first."""
        query = select(*(deliveries.c[name] for name in columns)).order_by(deliveries.c.id)
        if target is not None:
            query = query.where(deliveries.c.target == target)
        with reading(self.engine) as connection:
            return [tuple(row) for row in connection.execute(query)]

    def states(self, target: str | None = None) -> list[object]:
        return [state for (state,) in self.rows("state", target=target)]


def numbered_alert(number: int) -> PriceAlert:
    return price_alert(stock_data(as_of=NOW + timedelta(seconds=number)), id=f"alert-{number}")


@pytest.fixture
def outbox(alerts_url: URL) -> Iterator[Outbox]:
    engine = open_engine(alerts_url)
    yield Outbox(engine)
    engine.dispose()


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "*")


@pytest.fixture
def sqlite_outbox(tmp_path: Path) -> Iterator[Outbox]:
    yield from open_outbox(make_url(f"sqlite:///{tmp_path / 'test.db'}"))


def open_outbox(url: URL) -> Iterator[Outbox]:
    engine: Engine = open_engine(url)
    create_schema(engine, SCHEMA)
    yield Outbox(engine)
    engine.dispose()


def sending(outbox: Outbox) -> Sender:
    """Return a sender on the outbox, with the clock of the test."""
    return Sender(outbox.engine.url, outbox.clock, partial(open_channel, timeout=TIMEOUT))


def wait_for(sender: Sender, condition: Callable[[], object]) -> None:
    """Wait for a condition while the sender looks at the outbox again and again."""

    def holds() -> object:
        sender.wake()
        return condition()

    eventually(holds)


def pass_time(outbox: Outbox, sender: Sender, step: timedelta, condition: Callable[[], object]) -> None:
    """Let the sender's clock go until a condition holds."""

    def holds() -> object:
        outbox.now += step
        return condition()

    wait_for(sender, holds)


def all_sent(outbox: Outbox) -> Callable[[], bool]:
    return lambda: set(outbox.states()) == {"sent"}
