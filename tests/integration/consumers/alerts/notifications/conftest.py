"""An alerts database with targets, and deliveries to them."""

from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest
from sqlalchemy import Engine, select
from sqlalchemy.engine import URL

from consumers.alerts.notifications.deliveries import queue_deliveries
from consumers.alerts.notifications.target_store import add_target
from consumers.alerts.notifications.targets import Target
from consumers.alerts.tables import deliveries
from shared.database.engine import open_engine, reading, writing
from shared.events import PriceAlert
from tests.event_factories import NOW, price_alert, stock_data


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
