"""The events for the view of `up`, which may not read them."""

import time
from dataclasses import replace

import pytest

from infra.up import event_feed
from shared.errors import PublishError
from shared.messaging.address import BrokerAddress
from shared.settings import Settings
from tests.event_factories import message, messages
from tests.polling import eventually
from tests.queues import publish

COUNT = 3000


def is_bound(broker: BrokerAddress) -> bool:
    """Publish one event, and return True if a queue took it."""
    try:
        return publish(broker, message()) == 1
    except PublishError:
        return False


def test_a_view_that_reads_nothing_leaves_the_events_in_rabbitmq(
    broker: BrokerAddress, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_feed, "MAX_WAITING", 10)
    sent = messages(COUNT)
    settings = replace(Settings(), amqp_url=broker)
    with event_feed.event_feed(settings) as events:
        eventually(lambda: is_bound(broker))
        publish(broker, *sent)
        eventually(lambda: events.qsize() > 10)
        time.sleep(0.5)
        assert events.qsize() < COUNT / 2
        received = [events.get(timeout=20).id for _ in range(COUNT + 1)]
        assert received[1:] == [each.id for each in sent]
        publish(broker, *sent)
        eventually(lambda: events.qsize() > 10)
        started = time.monotonic()
    assert time.monotonic() - started < 5
