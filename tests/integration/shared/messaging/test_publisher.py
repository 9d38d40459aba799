import os
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from shared.errors import BrokerUnavailable, PublishError
from shared.events import CONTENT_TYPE
from shared.messaging.address import BrokerAddress
from shared.messaging.messages import Message, alert_message
from shared.messaging.publisher import Publisher
from tests.event_factories import message, messages, price_alert, stock_data
from tests.polling import eventually
from tests.proxy import proxy
from tests.queues import channel_to, declare, declare_raw, publish, taken, waiting

# Class 60, method 40: the first bytes of every Basic.Publish.
BASIC_PUBLISH = b"\x00\x3c\x00\x28"


def test_every_message_is_in_the_queue_after_publish_returns(broker: BrokerAddress) -> None:
    queue = declare(broker)
    sent = messages(2500)
    assert publish(broker, *sent) == 2500
    assert [delivery.body for delivery in taken(broker, queue, 2500)] == [each.body for each in sent]


def test_an_event_has_the_documented_properties(broker: BrokerAddress) -> None:
    queue = declare(broker)
    event = stock_data("BRK.B", "412.35")
    publish(broker, message(event), message(event, backfill=True), alert_message(price_alert(event)))
    live, backfilled, alert = taken(broker, queue, 3)
    assert (live.exchange, live.routing_key, live.body) == ("market_data", "stock.BRK-B.price", event.encode())
    assert live.properties == {
        "content_type": CONTENT_TYPE,
        "delivery_mode": 2,
        "message_id": event.id,
        "type": "STOCK_DATA",
        "timestamp": datetime(2024, 11, 20, 10, 0, 3, tzinfo=UTC),
        "app_id": "stockwire",
    }
    assert backfilled.routing_key == "stock.BRK-B.backfill"
    assert (alert.routing_key, alert.properties["type"]) == ("alert.BRK-B.crossing_up", "PRICE_ALERT")


@pytest.mark.parametrize("size", [0, 1, 2048, 2049, 65_536])
def test_a_body_of_up_to_64_kib_arrives_whole(size: int, broker: BrokerAddress) -> None:
    queue = declare(broker)
    body = os.urandom(size)
    publish(broker, Message("", queue, body, {"message_id": "big"}))
    assert taken(broker, queue, 1)[0].body == body


def test_a_body_over_64_kib_is_not_published_and_the_others_are(broker: BrokerAddress) -> None:
    queue = declare(broker)
    large = Message("", queue, b"x" * 65_537, {"message_id": "large"})
    reason = "event large was not published: its body of 65537 bytes is over 64 KiB"
    with pytest.raises(PublishError, match=reason):
        publish(broker, *messages(150), large, *messages(150))
    assert waiting(broker, queue) == 300


def test_a_publisher_can_publish_many_times(broker: BrokerAddress) -> None:
    queue = declare(broker)
    with Publisher(broker, "test") as publisher:
        assert [publisher.publish(messages(count)) for count in (1, 0, 150, 1)] == [1, 0, 150, 1]
        assert waiting(broker, queue) == 152


def test_events_without_a_queue_are_reported_and_the_others_are_published(broker: BrokerAddress) -> None:
    queue = declare(broker, "stock.AAPL.price")
    good, lost = message(stock_data("AAPL")), message(stock_data("MSFT"))
    with Publisher(broker, "test") as publisher:
        with pytest.raises(PublishError, match=r"no queue is bound for stock\.MSFT\.price") as caught:
            publisher.publish([good, lost])
        assert list(caught.value.failures) == [lost.id]
        assert publisher.publish([good]) == 1
    assert waiting(broker, queue) == 2


def test_an_alert_without_a_queue_is_not_a_failure(broker: BrokerAddress) -> None:
    assert publish(broker, alert_message(price_alert())) == 1


def test_events_that_a_full_queue_nacks_are_reported(broker: BrokerAddress) -> None:
    declare_raw(broker, "full", {"x-max-length": 10, "x-overflow": "reject-publish"})
    sent = messages(30)
    with Publisher(broker, "test", timeout=1) as publisher:
        with pytest.raises(PublishError, match=r"sent a nack") as caught:
            publisher.publish(sent)
        assert set(caught.value.failures) < {each.id for each in sent}
        stored = {delivery.properties["message_id"] for delivery in taken(broker, "full", waiting(broker, "full") or 0)}
        assert stored == {each.id for each in sent} - set(caught.value.failures)
        assert publisher.publish(sent[:1]) == 1


def test_nacked_messages_are_published_again_until_they_are_confirmed(broker: BrokerAddress) -> None:
    """They are sent on a new channel. RabbitMQ may nack every message on a channel opened while a leader was away."""
    declare_raw(broker, "full", {"x-max-length": 10, "x-overflow": "reject-publish"})
    sent = messages(30)
    found: set[str] = set()

    def make_room() -> None:
        while len(found) < len(sent):
            held = eventually(lambda: waiting(broker, "full"))
            found.update(delivery.id for delivery in taken(broker, "full", held or 0))

    with proxy(broker) as between, Publisher(between.address, "test") as publisher:
        consumer = threading.Thread(target=make_room)
        consumer.start()
        assert publisher.publish(sent) == 30
        consumer.join()
        assert between.accepted > 1
    assert found == {each.id for each in sent}


def test_events_on_a_channel_that_rabbitmq_closes_are_reported_and_the_next_publish_works(
    broker: BrokerAddress,
) -> None:
    declare_raw(broker, "test", {})
    with channel_to(broker) as channel:
        channel.exchange.declare("temporary", "fanout")
        channel.queue.bind("test", "temporary", "")
    sent = [Message("temporary", "", b"", {"message_id": f"event-{number}"}) for number in range(3)]
    with Publisher(broker, "test") as publisher:
        assert publisher.publish(sent) == 3
        with channel_to(broker) as channel:
            channel.exchange.delete("temporary")
        with pytest.raises(PublishError, match="no exchange 'temporary'") as caught:
            publisher.publish(sent)
        assert set(caught.value.failures) == {"event-0", "event-1", "event-2"}
        assert publisher.publish(messages(3)) == 3


def test_a_channel_closed_while_the_iterable_is_read_fails_at_once(broker: BrokerAddress) -> None:
    """A closed channel is not a lost connection, after which the publisher would try again."""

    def slowly() -> Iterator[Message]:
        for number in range(1000):
            if number % 100 == 0:
                time.sleep(0.05)
            yield Message("nowhere", "", b"", {"message_id": f"event-{number}"})

    with Publisher(broker, "test") as publisher:
        with pytest.raises(PublishError, match="no exchange 'nowhere'") as caught:
            publisher.publish(slowly())
        assert len(caught.value.failures) < 1000
        assert "event-0" in caught.value.failures


def test_a_deleted_exchange_is_declared_again(broker: BrokerAddress) -> None:
    with Publisher(broker, "test") as publisher:
        declare(broker)
        publisher.publish(messages(1))
        with channel_to(broker) as channel:
            channel.exchange.delete("market_data")
        with pytest.raises(PublishError, match="no exchange 'market_data'"):
            publisher.publish(messages(1))
        with pytest.raises(PublishError, match="no queue is bound"):
            publisher.publish(messages(1))
        declare(broker)
        assert publisher.publish(messages(1)) == 1


def test_without_a_broker_the_first_publish_raises_broker_unavailable(broker: BrokerAddress) -> None:
    with proxy(broker) as between:
        address = between.address
    publisher = Publisher(address, "test", timeout=1)
    with pytest.raises(BrokerUnavailable, match="RabbitMQ does not answer"):
        publisher.publish(messages(1))
    publisher.close()


def test_publishing_to_a_silent_broker_fails_after_the_timeout(broker: BrokerAddress) -> None:
    declare(broker)
    sent = messages(3)
    with proxy(broker) as between, Publisher(between.address, "test", timeout=1) as publisher:
        publisher.publish(messages(1))
        between.silent.set()
        before = time.monotonic()
        with pytest.raises(PublishError, match="did not confirm the message within 1 s") as caught:
            publisher.publish(sent)
        assert time.monotonic() - before < 5
        assert set(caught.value.failures) == {each.id for each in sent}
        between.silent.clear()
        assert publisher.publish(sent) == 3


def test_a_cut_connection_is_opened_again_and_no_message_is_lost(broker: BrokerAddress) -> None:
    queue = declare(broker)
    with proxy(broker) as between, Publisher(between.address, "test", timeout=20) as publisher:
        between.cut_on = BASIC_PUBLISH
        sent = messages(600)

        def with_a_cut() -> Iterator[Message]:
            for number, each in enumerate(sent):
                between.cuts += number == 300
                yield each

        assert publisher.publish(with_a_cut()) == 600
        assert between.accepted == 2
    stored = [delivery.properties["message_id"] for delivery in taken(broker, queue, waiting(broker, queue) or 0)]
    assert set(stored) == {each.id for each in sent}


def test_a_message_returned_before_a_cut_is_reported_after_it(broker: BrokerAddress) -> None:
    declare(broker, "stock.AAPL.price")
    lost = message(stock_data("NOBODY"))
    with proxy(broker) as between, Publisher(between.address, "test", timeout=20) as publisher:
        between.cut_on = BASIC_PUBLISH
        sent = messages(2000)

        def with_a_cut() -> Iterator[Message]:
            yield lost
            for number, each in enumerate(sent):
                between.cuts += number == 1800
                yield each

        with pytest.raises(PublishError) as caught:
            publisher.publish(with_a_cut())
        assert between.accepted == 2
        assert set(caught.value.failures) == {lost.id}


def test_a_message_that_cannot_be_encoded_does_not_shift_the_delivery_tags(broker: BrokerAddress) -> None:
    queue = declare(broker)
    unencodable = replace(message(), properties={"message_id": "x", "headers": {"number": 1e300}})
    with Publisher(broker, "test", timeout=3) as publisher:
        with pytest.raises(OverflowError):
            publisher.publish([unencodable])
        assert publisher.publish(messages(3)) == 3
    assert waiting(broker, queue) == 3


def test_publishing_fails_after_the_timeout_if_the_connection_breaks_at_every_publish(broker: BrokerAddress) -> None:
    """The connection can be opened again each time, so only the lack of confirms ends the attempts."""
    declare(broker)
    sent = messages(3)
    with proxy(broker) as between, Publisher(between.address, "test", timeout=1) as publisher:
        publisher.publish(messages(1))
        between.cut_on, between.cuts = BASIC_PUBLISH, 1_000_000
        before = time.monotonic()
        with pytest.raises(PublishError) as caught:
            publisher.publish(sent)
        assert time.monotonic() - before < 10
        assert set(caught.value.failures) == {each.id for each in sent}
        between.cuts = 0
        assert publisher.publish(sent) == 3
