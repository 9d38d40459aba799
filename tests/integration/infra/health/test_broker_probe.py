"""Questions about a real RabbitMQ, and about one that is away or silent: always answered in time."""

import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest

from consumers.web.health import QueueHealth
from infra.health import broker_probe
from infra.health.broker_probe import LIMIT, BrokerProbe
from shared.errors import BrokerUnavailable
from shared.messaging.address import BrokerAddress
from shared.messaging.dead_letters import dead_letter
from tests.event_factories import NOW, delivery, messages
from tests.proxy import proxy
from tests.queues import declare, publish

QUEUES = ("stockwire.test", "stockwire.missing")


@pytest.fixture(autouse=True)
def _no_old_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(broker_probe, "_FRESH", 0)


@pytest.fixture
def silent_address(broker: BrokerAddress) -> Iterator[BrokerAddress]:
    """A host that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield replace(broker, port=listener.getsockname()[1])


def test_queues_have_their_messages_consumers_and_dead_letters(broker: BrokerAddress) -> None:
    queue = declare(broker)
    publish(broker, *messages(3), dead_letter(delivery(), queue, "not JSON", NOW))
    probe = BrokerProbe(broker, QUEUES)
    look = probe.look()
    probe.close()
    assert (look.broker.available, look.broker.product, look.broker.error) == (True, "RabbitMQ", None)
    assert look.queues == [QueueHealth("stockwire.test", 3, 0, 1), QueueHealth("stockwire.missing", None, None, None)]
    assert look.consumers == {"stockwire.test": 0}


def test_the_address_has_no_password(broker: BrokerAddress) -> None:
    probe = BrokerProbe(broker, ())
    assert broker.password not in probe.look().broker.address.replace(broker.username, "")
    probe.close()


def test_a_broker_that_is_away_is_told_with_its_reason(broker: BrokerAddress) -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        away = replace(broker, port=unused.getsockname()[1])
    probe = BrokerProbe(away, QUEUES)
    look = probe.look()
    assert (look.broker.available, look.queues) == (False, ())
    assert str(look.broker.error).startswith("RabbitMQ does not answer at ")
    with pytest.raises(BrokerUnavailable, match="does not answer"):
        probe.require()


def test_a_silent_broker_is_told_in_time_by_all_who_ask_at_once(silent_address: BrokerAddress) -> None:
    probe = BrokerProbe(silent_address, QUEUES)
    errors: list[str | None] = []
    started = time.monotonic()
    threads = [threading.Thread(target=lambda: errors.append(probe.look().broker.error)) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert time.monotonic() - started < LIMIT + 0.4
    assert [str(error)[:35] for error in errors] == ["RabbitMQ has not answered within 1."] * 5
    # All of them shared one connection.
    assert sum(thread.name == "broker-probe" for thread in threading.enumerate()) == 1


def test_one_connection_is_kept_and_replaced_after_it_was_lost(broker: BrokerAddress) -> None:
    declare(broker)
    with proxy(broker) as between:
        probe = BrokerProbe(between.address, QUEUES)
        assert probe.look().broker.available
        assert probe.look().broker.available
        assert between.accepted == 1
        between.reset()
        assert probe.look().broker.available
        assert between.accepted == 2
        probe.close()
