"""Dead letters of a real RabbitMQ, as the HTTP API tells them."""

import json
from collections.abc import Iterator
from dataclasses import replace

import pytest

from infra.dead_letter_office import MAX_BODY_SHOWN, DeadLetterOffice
from infra.health.broker_probe import BrokerProbe
from shared.errors import BrokerUnavailable, SettingsError
from shared.messaging.address import BrokerAddress
from shared.messaging.dead_letters import dead_letter
from shared.messaging.messages import DroppedBody
from tests.event_factories import NOW, delivery
from tests.queues import declare, publish, waiting

QUEUE = "stockwire.history"


@pytest.fixture
def office(broker: BrokerAddress) -> Iterator[DeadLetterOffice]:
    declare(broker, name="history")
    probe = BrokerProbe(broker, ())
    yield DeadLetterOffice(broker, probe)
    probe.close()


def bury(broker: BrokerAddress, *bodies: bytes, reason: str = "not JSON") -> None:
    publish(broker, *(dead_letter(delivery(body), QUEUE, reason, NOW) for body in bodies))


def test_dead_letters_are_counted_for_the_consumers_that_have_run(
    office: DeadLetterOffice, broker: BrokerAddress
) -> None:
    bury(broker, b"1", b"2")
    assert [(each.queue, each.dead) for each in office.count()] == [(QUEUE, 2)]


@pytest.mark.parametrize("name", ["history", "stockwire.history", "stockwire.history.dead"])
def test_dead_letters_are_shown_and_stay(office: DeadLetterOffice, broker: BrokerAddress, name: str) -> None:
    bury(broker, b'{"a":"\xe2\x80\xaeb"}', b"no JSON", b"\xff")
    found = office.peek(name, 2)
    assert (found.queue, found.dead, len(found.letters)) == (QUEUE, 3, 2)
    first, second = found.letters
    assert (first.reason, first.routing_key, first.died_at) == (
        "not JSON",
        "stock.AAPL.price",
        "2024-11-20T10:00:03.120000Z",
    )
    # The bidirectional control is an escape of JSON, and the value stays the same.
    assert json.loads(first.body or "") == {"a": "\u202eb"}
    assert "\u202e" not in (first.body or "")
    assert (second.body, second.body_size, second.is_cut) == ("no JSON", 7, False)
    assert first.properties["type"] == "STOCK_DATA"
    assert "headers" not in first.properties
    assert office.peek(name, 10).dead == 3


def test_a_long_body_is_cut(office: DeadLetterOffice, broker: BrokerAddress) -> None:
    bury(broker, b"x" * (MAX_BODY_SHOWN + 1))
    [letter] = office.peek("history", 10).letters
    assert (len(letter.body or ""), letter.body_size, letter.is_cut) == (MAX_BODY_SHOWN, MAX_BODY_SHOWN + 1, True)


def test_a_dropped_body_has_its_size_and_stays_when_the_others_are_sent_back(
    office: DeadLetterOffice, broker: BrokerAddress
) -> None:
    large = delivery(b"", dropped_body=DroppedBody(70_000, "0" * 64))
    publish(broker, dead_letter(large, QUEUE, "its body is over 64 KiB", NOW))
    bury(broker, b"1", b"2")
    shown = {letter.body_size: letter.body for letter in office.peek("history", 10).letters}
    assert shown[70_000] is None
    requeued = office.requeue("history")
    assert (requeued.queue, requeued.sent, requeued.left) == (QUEUE, 2, 1)
    assert waiting(broker, QUEUE) == 2
    dropped = office.drop("history")
    assert (dropped.queue, dropped.dropped) == (QUEUE, 1)
    assert office.peek("history", 10).letters == []


def test_a_queue_without_dead_letters_of_its_own_is_an_error(office: DeadLetterOffice) -> None:
    with pytest.raises(SettingsError, match=r"queue nobody\.dead does not exist"):
        office.peek("nobody", 10)


def test_a_broker_that_is_away_is_told_at_once(broker: BrokerAddress) -> None:
    away = replace(broker, port=1)
    with pytest.raises(BrokerUnavailable, match="RabbitMQ does not answer"):
        DeadLetterOffice(away, BrokerProbe(away, ())).peek("history", 10)
