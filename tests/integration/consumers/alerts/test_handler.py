"""The handler on a real database: each alert once, despite redeliveries, restarts and other processes."""

import random
import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, delete
from sqlalchemy.engine import make_url

from consumers.alerts import batch as batch_module
from consumers.alerts.handler import REFUSED_INTERVAL, AlertHandler, describe_event
from consumers.alerts.rules.parser import parse_terms
from consumers.alerts.rules.store import add_rule, remove_rule
from consumers.alerts.store import pending_alerts, read_alerts
from consumers.alerts.tables import SCHEMA, watermarks
from shared.database.engine import open_engine, opened, reading, writing
from shared.database.schema import create_schema
from shared.errors import BrokerUnavailable, PublishError, PublishRefused, StorageUnavailable
from shared.events import PriceAlert, StockData
from shared.messaging.messages import Message
from tests.event_factories import AS_OF, NOW, changed, price_alert, price_series, stock_data

ZIGZAG = ["199", "201", "202", "200", "199", "205", "198", "200.5"]
# The indexes at which ZIGZAG crosses 200 upwards.
UP = [1, 5, 7]


class FakeBroker:
    """Records published ids. Raises the publisher's errors while `away` or `refusing`, and for the ids in `nacks`."""

    def __init__(self) -> None:
        self.published: list[str] = []
        self.away = False
        self.refusing = False
        self.calls = 0
        self.nacks: set[str] = set()

    def publish(self, messages: Iterable[Message]) -> int:
        if self.away:
            raise BrokerUnavailable("RabbitMQ does not answer")
        sent = [message.id for message in messages]
        self.calls += bool(sent)
        if self.refusing:
            raise PublishRefused(dict.fromkeys(sent, "run: rabbitmqctl set_permissions"))
        self.published += [each for each in sent if each not in self.nacks]
        failures = {each: "a queue is full" for each in sent if each in self.nacks}
        if failures:
            raise PublishError(failures)
        return len(sent)


@pytest.fixture
def fake_broker() -> FakeBroker:
    return FakeBroker()


@pytest.fixture
def crossing_up(engine: Engine) -> None:
    add_rule(engine, "up", parse_terms("AAPL crossing up 200"), NOW)


def handler(engine: Engine, fake_broker: FakeBroker) -> AlertHandler:
    return AlertHandler(engine, fake_broker.publish, clock=lambda: NOW)


def stored(engine: Engine) -> list[PriceAlert]:
    return list(read_alerts(engine))


def fired_by(engine: Engine) -> list[str | None]:
    return [alert.event_id for alert in stored(engine)]


def ids(events: Sequence[StockData], indexes: Iterable[int]) -> list[str]:
    return [events[index].id for index in indexes]


def pending(engine: Engine) -> list[str]:
    with reading(engine) as connection:
        return [alert.id for alert in pending_alerts(connection, 100).values()]


@pytest.mark.usefixtures("crossing_up")
def test_an_alert_is_stored_printed_and_published(
    engine: Engine, fake_broker: FakeBroker, capsys: pytest.CaptureFixture[str]
) -> None:
    events = price_series(["199", "201.5"])
    handler(engine, fake_broker)(events)
    [alert] = stored(engine)
    assert (alert.event_id, alert.triggered_at) == (events[1].id, NOW)
    assert fake_broker.published == [alert.id]
    assert pending(engine) == []
    assert capsys.readouterr().out == "2024-11-20T09:59:59Z AAPL 201.5 up: AAPL crossing up 200\n"


def test_an_alert_of_a_rule_on_every_symbol_is_printed_with_the_symbol_of_its_price() -> None:
    alert = price_alert(stock_data("BRK.B"), rule_name="any", terms="* above 187")
    assert describe_event(alert) == "2024-11-20T09:59:58Z BRK.B 187.44 any: BRK.B above 187"


@pytest.mark.usefixtures("crossing_up")
@pytest.mark.parametrize("size", [1, 3, 8])
def test_redeliveries_and_restarts_give_each_alert_once(
    engine: Engine, fake_broker: FakeBroker, size: int, capsys: pytest.CaptureFixture[str]
) -> None:
    events = price_series(ZIGZAG)
    handle = handler(engine, fake_broker)
    for start in range(0, len(events), size):
        handle(events[start : start + size])
        handle(events[start : start + size])
        handle = handler(engine, fake_broker)
        handle(events[: start + size])
    assert fired_by(engine) == ids(events, UP)
    assert len(fake_broker.published) == len(set(fake_broker.published)) == len(UP)
    assert len(capsys.readouterr().out.splitlines()) == len(UP)


@pytest.mark.usefixtures("crossing_up")
def test_without_watermarks_a_redelivery_fires_again(engine: Engine, fake_broker: FakeBroker) -> None:
    """Show that the other tests would notice a handler that forgets its watermarks."""
    events = price_series(["199", "201", "199"])
    handle = handler(engine, fake_broker)
    handle(events)
    with engine.begin() as connection:
        connection.exec_driver_sql("delete from watermarks")
        connection.exec_driver_sql("delete from alerts")
        connection.exec_driver_sql("update counters set batches = 100")
    handle(events)
    assert len(fake_broker.published) == 2


@pytest.mark.usefixtures("crossing_up")
def test_late_events_never_fire(engine: Engine, fake_broker: FakeBroker) -> None:
    handle = handler(engine, fake_broker)
    handle([stock_data(price="199")])
    handle([stock_data(price="201", as_of=AS_OF - timedelta(seconds=1)), stock_data(price="202", provider="other")])
    assert stored(engine) == []


SIMULATED = {"provider": "simulated", "currency": "USD"}
REAL = {"provider": "yahoo", "currency": "USD"}
PENCE = {"provider": "yahoo", "currency": None}
POUNDS = {"provider": "yahoo", "currency": "GBP"}


@pytest.mark.parametrize(
    ("before", "after"), [(SIMULATED, REAL), (REAL, SIMULATED), (PENCE, POUNDS), (POUNDS, PENCE)], ids=str
)
@pytest.mark.parametrize("lag", [timedelta(0), timedelta(days=400)], ids=["newer", "older"])
def test_simulated_then_real_prices_and_pence_then_pounds_raise_no_alert(
    engine: Engine,
    fake_broker: FakeBroker,
    before: dict[str, str | None],
    after: dict[str, str | None],
    lag: timedelta,
) -> None:
    """The first price of the other kind becomes the previous price, even if it is older."""
    add_rule(engine, "either", parse_terms("* crossing 200"), NOW)
    first = price_series(["2", "199"], **before)
    then = price_series(["300", "301", "302", "199"], start=AS_OF + timedelta(seconds=5) - lag, **after)
    for batch in (first, then[:2], then[2:3]):
        handler(engine, fake_broker)(batch)
        assert stored(engine) == []
    handler(engine, fake_broker)(then)
    [alert] = stored(engine)
    assert (alert.event_id, alert.previous_price) == (then[3].id, then[2].price)


def test_a_state_is_evaluated_afresh_on_a_price_that_is_not_comparable(engine: Engine, fake_broker: FakeBroker) -> None:
    add_rule(engine, "high", parse_terms("AAPL above 200"), NOW)
    simulated = price_series(["201", "202"], **SIMULATED)
    real = price_series(["203", "204", "199", "205"], start=AS_OF - timedelta(days=1), **REAL)
    handler(engine, fake_broker)(simulated + real)
    assert fired_by(engine) == [simulated[0].id, real[0].id, real[3].id]
    assert [alert.previous_price for alert in stored(engine)] == [None, None, real[2].price]


@pytest.mark.usefixtures("crossing_up")
def test_duplicates_in_any_order_fire_nothing_twice(engine: Engine, fake_broker: FakeBroker) -> None:
    events = price_series(ZIGZAG * 5)
    shuffled = events * 3
    random.Random(7).shuffle(shuffled)
    handle = handler(engine, fake_broker)
    for start in range(0, len(shuffled), 10):
        handle(shuffled[start : start + 10])
    found = fired_by(engine)
    assert len(found) == len(set(found)) == len(fake_broker.published)
    # In order again: every event is late now.
    handle(events)
    assert fired_by(engine) == found


@pytest.mark.usefixtures("crossing_up")
def test_each_alert_is_raised_once_if_two_processes_alternate(engine: Engine, fake_broker: FakeBroker) -> None:
    events = price_series(ZIGZAG)
    first, second = handler(engine, fake_broker), handler(engine, fake_broker)
    for index, event in enumerate(events):
        (second if index % 3 == 1 else first)([event])
    first(events)
    assert fired_by(engine) == ids(events, UP)


def test_added_and_removed_rules_apply_from_the_next_batch(engine: Engine, fake_broker: FakeBroker) -> None:
    events = price_series(["201", "202", "203", "199", "201"])
    handle = handler(engine, fake_broker)
    handle(events[:1])
    added = add_rule(engine, "high", parse_terms("* above 200"), NOW)
    handle(events[1:2])
    handle(events[2:3])
    remove_rule(engine, "high")
    handle(events[3:])
    assert [(alert.rule_id, alert.event_id) for alert in stored(engine)] == [(added.id, events[1].id)]


@pytest.mark.usefixtures("crossing_up")
def test_each_crossing_under_one_event_id_is_stored_printed_and_published(
    engine: Engine, fake_broker: FakeBroker, capsys: pytest.CaptureFixture[str]
) -> None:
    handler(engine, fake_broker)([changed(event, id="reused") for event in price_series(ZIGZAG)])
    assert len(stored(engine)) == len(capsys.readouterr().out.splitlines()) == len(UP)
    assert fake_broker.published == [alert.id for alert in stored(engine)]
    assert len(set(fake_broker.published)) == len(UP)


@pytest.mark.usefixtures("crossing_up")
def test_an_alert_that_is_stored_already_is_neither_printed_nor_published_again(
    engine: Engine, fake_broker: FakeBroker, capsys: pytest.CaptureFixture[str]
) -> None:
    """Watermarks that are lost let the same events fire again."""
    events = price_series(ZIGZAG)
    handler(engine, fake_broker)(events)
    published, _ = list(fake_broker.published), capsys.readouterr()
    with writing(engine) as connection:
        connection.execute(delete(watermarks))
    handler(engine, fake_broker)([changed(event, id="another") for event in events])
    assert (fake_broker.published, capsys.readouterr().out) == (published, "")


@pytest.mark.usefixtures("no_check_of_whole_files")
def test_alerts_go_on_after_a_touch_whose_last_batch_can_be_read_back(tmp_path: Path, fake_broker: FakeBroker) -> None:
    path, events = tmp_path / "alerts.db", price_series(ZIGZAG)
    with opened(make_url(f"sqlite:///{path}")) as engine:
        create_schema(engine, SCHEMA)
        add_rule(engine, "up", parse_terms("AAPL crossing up 200"), NOW)
        handle = handler(engine, fake_broker)
        for event in events:
            handle([event])
            # A command writes too, and another program changes only the time of the file.
            with opened(engine.url) as other:
                add_rule(other, event.id, parse_terms("AAPL above 1000"), NOW)
            path.touch()
        assert fired_by(engine) == ids(events, UP)


@pytest.mark.usefixtures("crossing_up")
def test_a_failed_transaction_stores_nothing(
    engine: Engine, fake_broker: FakeBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    events = price_series(ZIGZAG)
    handle = handler(engine, fake_broker)
    handle(events[:1])
    raise_alerts = batch_module.raise_alerts

    def fail(*arguments: object) -> None:
        raise_alerts(*arguments)  # type: ignore[arg-type]
        raise StorageUnavailable("database cannot be written now: disk full")

    monkeypatch.setattr(batch_module, "raise_alerts", fail)
    with pytest.raises(StorageUnavailable):
        handle(events)
    assert stored(engine) == []
    monkeypatch.undo()
    handle(events)
    assert fired_by(engine) == ids(events, UP)


def test_a_locked_database_is_a_transient_error(
    tmp_path: Path, fake_broker: FakeBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.database.engine.BUSY_TIMEOUT", 0.05)
    engine = open_engine(make_url(f"sqlite:///{tmp_path / 'alerts.db'}"))
    create_schema(engine, SCHEMA)
    add_rule(engine, "up", parse_terms("AAPL above 200"), NOW)
    events = price_series(["201"])
    handle = handler(engine, fake_broker)
    with closing(sqlite3.connect(tmp_path / "alerts.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StorageUnavailable):
            handle(events)
        assert stored(engine) == []
    handle(events)
    assert fired_by(engine) == ids(events, [0])
    engine.dispose()


@pytest.mark.usefixtures("crossing_up")
def test_an_alert_stays_pending_while_the_broker_is_away(
    engine: Engine, fake_broker: FakeBroker, capsys: pytest.CaptureFixture[str]
) -> None:
    events = price_series(ZIGZAG)
    handle = handler(engine, fake_broker)
    fake_broker.away = True
    for _ in range(2):
        with pytest.raises(BrokerUnavailable):
            handle(events)
    expected = [alert.id for alert in stored(engine)]
    assert pending(engine) == expected
    fake_broker.away = False
    handle(events)
    handle(events)
    assert fake_broker.published == expected
    assert pending(engine) == []
    assert len(capsys.readouterr().out.splitlines()) == len(UP)


@pytest.mark.usefixtures("crossing_up")
def test_only_nacked_alerts_are_published_again(engine: Engine, fake_broker: FakeBroker) -> None:
    events = price_series(ZIGZAG)
    handle = handler(engine, fake_broker)
    fake_broker.away = True
    with pytest.raises(BrokerUnavailable):
        handle(events)
    fake_broker.away = False
    first, nacked, last = pending(engine)
    fake_broker.nacks = {nacked}
    with pytest.raises(PublishError):
        handle(events)
    assert pending(engine) == [nacked]
    fake_broker.nacks = set()
    handle(events)
    assert fake_broker.published == [first, last, nacked]


def test_a_refusal_keeps_the_alerts_pending_and_does_not_stop_the_rules(
    engine: Engine, fake_broker: FakeBroker, caplog: pytest.LogCaptureFixture
) -> None:
    """It is logged once, and publishing is not tried again with every batch."""
    seconds = iter([0.0, 1.0, 2.0, 3.0, REFUSED_INTERVAL])
    add_rule(engine, "up", parse_terms("AAPL crossing up 200"), NOW)
    handler = AlertHandler(engine, fake_broker.publish, lambda: NOW, lambda: next(seconds))
    fake_broker.refusing = True
    *events, last = price_series(["199", "201", "198", "202", "197", "203"])
    for event in events:
        handler([event])
    with reading(engine) as connection:
        assert len(pending_alerts(connection, 10)) == 2
    assert fake_broker.calls == 1
    assert [record.message.endswith("run: rabbitmqctl set_permissions") for record in caplog.records] == [True]
    fake_broker.refusing = False
    handler([last])
    assert len(fake_broker.published) == 3
    assert fake_broker.calls == 2
