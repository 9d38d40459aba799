"""Alerts and held rules, with what is owed to targets in the same transaction."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from decimal import Decimal

import pytest
from sqlalchemy import Engine, insert, select

from consumers.alerts.handler import AlertHandler
from consumers.alerts.rules.changes import rescale
from consumers.alerts.rules.options import Frequency, Options
from consumers.alerts.rules.parser import parse_terms
from consumers.alerts.rules.store import add_rule, silence_rule
from consumers.alerts.store import read_alerts
from consumers.alerts.tables import deliveries, pending_events, targets
from shared.database.engine import reading, writing
from shared.errors import BrokerUnavailable
from shared.events import RulesHeld
from shared.messaging.messages import Message
from tests.event_factories import AS_OF, NOW, price_series, stock_data

NEXT_DAY = AS_OF + timedelta(days=1)


@dataclass
class FakeBroker:
    messages: list[Message] = field(default_factory=list)
    away: bool = False

    def publish(self, messages: Iterable[Message]) -> int:
        if self.away:
            raise BrokerUnavailable("RabbitMQ does not answer")
        self.messages += messages
        return 0


@pytest.fixture
def engine(engine: Engine) -> Engine:
    """An alerts database with two targets."""
    with writing(engine) as connection:
        rows = [{"name": name, "url": f"http://{name}", "ttl": 60, "created_at": NOW} for name in ("chat", "hook")]
        connection.execute(insert(targets), rows)
    return engine


@pytest.fixture
def broker() -> FakeBroker:
    return FakeBroker()


def handler(engine: Engine, broker: FakeBroker) -> AlertHandler:
    return AlertHandler(engine, broker.publish, clock=lambda: NEXT_DAY)


def owed(engine: Engine) -> list[tuple[str, str]]:
    """Return the type of each event that is owed, and its target."""
    with reading(engine) as connection:
        rows = connection.execute(select(deliveries.c.body, deliveries.c.target).order_by(deliveries.c.id))
        return [(json.loads(body)["type"], target) for body, target in rows]


def test_an_alert_is_owed_to_the_targets_of_its_rule_unless_it_is_silenced(engine: Engine, broker: FakeBroker) -> None:
    add_rule(engine, "both", parse_terms("AAPL above 200"), NOW, Options(notify=("hook", "chat")))
    add_rule(engine, "none", parse_terms("AAPL above 200"), NOW)
    add_rule(engine, "quiet", parse_terms("AAPL above 200"), NOW, Options(notify=("hook",)))
    silence_rule(engine, "quiet", NEXT_DAY + timedelta(hours=1))
    handle = handler(engine, broker)
    for _ in range(2):
        handle([stock_data(price="201")])
    assert owed(engine) == [("PRICE_ALERT", "chat"), ("PRICE_ALERT", "hook")]
    assert [(alert.rule_name, alert.silenced) for alert in read_alerts(engine)] == [
        ("both", False),
        ("none", False),
        ("quiet", True),
    ]
    assert len(broker.messages) == 3


def test_held_rules_are_published_once_and_owed_to_their_targets(engine: Engine, broker: FakeBroker) -> None:
    first = add_rule(engine, "x", parse_terms("AAPL below 480"), NOW, Options(notify=("hook",)))
    second = add_rule(engine, "all", parse_terms("* crossing 5"), NOW, Options(notify=("hook", "chat")))
    add_rule(engine, "other", parse_terms("MSFT above 5"), NOW)
    handle = handler(engine, broker)
    handle([stock_data(price="499.23")])
    jump = stock_data(price="129.04", as_of=NEXT_DAY)
    broker.away = True
    with pytest.raises(BrokerUnavailable):
        handle([jump])
    broker.away = False
    for _ in range(2):
        handler(engine, broker)([jump])
    [message] = broker.messages
    assert message.routing_key == "alert.AAPL.held"
    held = RulesHeld.decode(message.body, NEXT_DAY)
    assert (held.price, held.previous_price, held.ratio) == (Decimal("129.04"), Decimal("499.23"), 4)
    assert held.rule_ids == [first.id, second.id]
    assert owed(engine) == [("RULES_HELD", "chat"), ("RULES_HELD", "hook")]
    with reading(engine) as connection:
        assert connection.execute(select(pending_events)).all() == []


def test_a_hold_concerns_no_expired_rule_and_no_rule_on_missing_data_and_tells_no_target_of_a_silenced_rule(
    engine: Engine, broker: FakeBroker
) -> None:
    waiting = add_rule(engine, "waits", parse_terms("AAPL below 480"), NOW)
    quiet = add_rule(engine, "quiet", parse_terms("AAPL below 480"), NOW, Options(notify=("chat",)))
    silence_rule(engine, "quiet", NEXT_DAY + timedelta(hours=1))
    owing = Options(notify=("hook",))
    add_rule(engine, "over", parse_terms("AAPL below 480"), NOW, replace(owing, expires=NEXT_DAY))
    add_rule(engine, "once", parse_terms("AAPL above 480"), NOW, replace(owing, frequency=Frequency(once=True)))
    add_rule(engine, "feed", parse_terms("AAPL no data for 30m"), NOW, owing)
    handle = handler(engine, broker)
    handle([stock_data(price="499.23")])
    handle([stock_data(price="129.04", as_of=NEXT_DAY)])
    held = RulesHeld.decode(broker.messages[-1].body, NEXT_DAY)
    assert held.rule_ids == [waiting.id, quiet.id]
    assert owed(engine) == [("PRICE_ALERT", "hook")]


def test_a_symbol_without_rules_is_not_held(engine: Engine, broker: FakeBroker) -> None:
    add_rule(engine, "other", parse_terms("MSFT above 5"), NOW)
    handler(engine, broker)([stock_data(price="499.23"), stock_data(price="129.04", as_of=NEXT_DAY)])
    add_rule(engine, "x", parse_terms("AAPL crossing 120"), NOW)
    handler(engine, broker)([stock_data(price="119", as_of=NEXT_DAY + timedelta(seconds=1))])
    assert [alert.previous_price for alert in read_alerts(engine)] == [Decimal("129.04")]


def test_the_window_of_a_rescaled_symbol_is_rescaled_with_it(engine: Engine, broker: FakeBroker) -> None:
    """Only the prices from before the jump are divided."""
    add_rule(engine, "x", parse_terms("AAPL moving up 10% in 7d"), NOW)
    handle = handler(engine, broker)
    handle(price_series(["400", "396"]))
    handle([stock_data(price="100", as_of=NEXT_DAY)])
    rescale(engine, "AAPL", Decimal(4))
    second = timedelta(seconds=1)
    handle(price_series(["109.9", "110"], start=NEXT_DAY + second))
    [alert] = read_alerts(engine)
    assert (alert.price, alert.previous_price) == (110, Decimal("109.9"))
