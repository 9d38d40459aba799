import struct
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from pamqp import commands, frame

from shared.errors import BrokerUnavailable, PublishError, SettingsError
from shared.messaging.address import BrokerAddress
from shared.messaging.amqp.connection import Connection, connect, connected
from shared.messaging.dead_letters import (
    BODY_SHA256,
    BODY_SIZE,
    DIED_AT,
    QUEUE,
    REASON,
    ROUTING_KEY,
    count_dead_letters,
    dead_letter,
    describe_death,
    dropped_body,
    peek,
    purge,
    requeue,
    trusted_headers,
)
from shared.messaging.messages import Delivery, DroppedBody
from shared.messaging.publisher import Publisher
from tests.consumer_thread import Recorder, running
from tests.event_factories import NOW, delivery, message, messages, raw_message
from tests.polling import eventually
from tests.proxy import proxy
from tests.queues import channel_to, declare, declare_raw, publish, publish_large, taken, waiting

TEST = "stockwire.test"
DEAD = "stockwire.test.dead"


@pytest.fixture
def connection(broker: BrokerAddress) -> Iterator[Connection]:
    with connected(broker, "test") as open_connection:
        yield open_connection


def publish_dead_letters(broker: BrokerAddress, number: int) -> None:
    """Publish dead letters of the queue `stockwire.test`, with their numbers from 0 as bodies."""
    declare(broker)
    dead = (dead_letter(delivery(str(index).encode()), TEST, f"reason {index}", NOW) for index in range(number))
    publish(broker, *dead)


def whole(delivery: Delivery) -> Delivery:
    return delivery


def bodies(found: list[bytes]) -> list[int]:
    return [int(body) for body in found]


def test_a_dead_letter_has_the_same_body_and_the_reason_in_its_headers() -> None:
    dead = dead_letter(delivery(b"?", headers={"trace": "1"}), TEST, "not JSON", NOW)
    assert (dead.exchange, dead.routing_key, dead.body) == ("market_data.dead", TEST, b"?")
    assert dead.properties["headers"] == {
        "trace": "1",
        REASON: "not JSON",
        QUEUE: TEST,
        ROUTING_KEY: "stock.AAPL.price",
        DIED_AT: "2024-11-20T10:00:03.120000Z",
    }
    assert dead.properties["delivery_mode"] == 2
    assert dead.id == delivery().properties["message_id"]


def test_a_long_reason_is_cut_to_1000_characters() -> None:
    headers = dead_letter(delivery(), TEST, "x" * 100_000, NOW).properties["headers"]
    assert len(headers[REASON]) == 1000


def test_headers_that_cannot_be_sent_again_are_left_out() -> None:
    """Bytes and large integers can be decoded by pamqp, but not encoded."""
    dead = dead_letter(delivery(headers={"good": 1, "bytes": b"\xff", "far": 2**70, "when": NOW}), TEST, "?", NOW)
    assert dead.properties["headers"].keys() >= {"good", "when", REASON}
    assert not dead.properties["headers"].keys() & {"bytes", "far"}


def test_the_count_is_none_without_a_dead_letter_queue(broker: BrokerAddress, connection: Connection) -> None:
    assert count_dead_letters(connection, TEST) is None
    publish_dead_letters(broker, 3)
    assert count_dead_letters(connection, TEST) == 3


def test_peeking_leaves_dead_letters_in_place_and_in_order(broker: BrokerAddress, connection: Connection) -> None:
    publish_dead_letters(broker, 450)
    for _ in range(3):
        found = peek(connection, TEST, 300, whole)
        assert bodies([each.body for each in found]) == list(range(300))
    assert [describe_death(each).reason for each in found[:2]] == ["reason 0", "reason 1"]
    eventually(lambda: count_dead_letters(connection, TEST) == 450)


def test_peeking_often_loses_no_dead_letter(broker: BrokerAddress, connection: Connection) -> None:
    """A quorum queue counts each peek as a delivery, and by default RabbitMQ 4 drops a message after 20 deliveries."""
    publish_dead_letters(broker, 2)
    for _ in range(21):
        assert len(peek(connection, TEST, 10, whole)) == 2
        eventually(lambda: count_dead_letters(connection, TEST) == 2)


def test_peeking_at_more_than_the_largest_prefetch_works(
    broker: BrokerAddress, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The prefetch of AMQP is at most 65,535."""
    publish_dead_letters(broker, 2)
    monkeypatch.setattr("shared.messaging.dead_letters.count_messages", lambda *_: 70_000)
    monkeypatch.setattr("shared.messaging.dead_letters._READ_TIMEOUT", 0.2)
    assert len(peek(connection, TEST, 1_000_000, whole)) == 2


def test_peeking_at_zero_dead_letters_or_an_empty_queue_returns_an_empty_list(
    broker: BrokerAddress, connection: Connection
) -> None:
    publish_dead_letters(broker, 0)
    assert peek(connection, TEST, 10, whole) == []
    assert peek(connection, TEST, 0, whole) == []


def test_requeued_messages_go_only_to_their_queue_and_keep_their_routing_key(
    broker: BrokerAddress, connection: Connection
) -> None:
    publish_dead_letters(broker, 450)
    other = declare(broker, name="other")
    with Publisher(broker, "test") as publisher:
        assert requeue(connection, publisher, TEST) == (450, 0)
    assert (count_dead_letters(connection, TEST), waiting(broker, TEST), waiting(broker, other)) == (0, 450, 0)
    back = taken(broker, TEST, 450)
    assert bodies([each.body for each in back]) == list(range(450))
    assert back[0].headers == {ROUTING_KEY: "stock.AAPL.price"}
    assert back[0].properties["message_id"] == message().id


def test_a_message_that_dies_again_is_not_requeued_twice_by_one_call(
    broker: BrokerAddress, connection: Connection
) -> None:
    with running(Recorder(), broker):
        publish(broker, *(raw_message(b"?", message_id=str(number)) for number in range(5)))
        eventually(lambda: count_dead_letters(connection, TEST) == 5)
        with Publisher(broker, "test") as publisher:
            assert requeue(connection, publisher, TEST) == (5, 0)
        eventually(lambda: count_dead_letters(connection, TEST) == 5)


def test_a_message_without_its_body_is_not_requeued(broker: BrokerAddress, connection: Connection) -> None:
    """A dead letter of its own has the size and digest of the body; one by RabbitMQ may have a large body itself."""
    declare(broker)
    large = delivery(b"", dropped_body=DroppedBody(70_000, "abc"))
    publish_large(
        broker,
        dead_letter(large, TEST, "too large", NOW),
        replace(dead_letter(delivery(), TEST, "?", NOW), body=b"x" * 80_000),
        dead_letter(delivery(b"0"), TEST, "fine", NOW),
    )
    assert [each and each.size for each in peek(connection, TEST, 10, dropped_body)] == [70_000, 80_000, None]
    with Publisher(broker, "test") as publisher:
        assert requeue(connection, publisher, TEST) == (1, 2)
    assert [each.body for each in taken(broker, TEST, 1)] == [b"0"]
    eventually(lambda: count_dead_letters(connection, TEST) == 2)


def test_headers_that_cannot_be_sent_again_are_left_out_of_requeued_messages(
    broker: BrokerAddress, connection: Connection
) -> None:
    """The header is not UTF-8, in a message that was published to the dead letter exchange directly."""
    declare(broker)
    table = b"\x01kS\x00\x00\x00\x02\xff\xfe"
    with channel_to(broker) as channel:
        header = struct.pack(">HHQHI", 60, 0, 1, 1 << 13, len(table)) + table
        publishing = commands.Basic.Publish(exchange="market_data.dead", routing_key=TEST)
        frames = frame.marshal(publishing, channel.channel_id)
        for kind, payload in ((2, header), (3, b"?")):
            frames += struct.pack(">BHI", kind, channel.channel_id, len(payload)) + payload + b"\xce"
        channel._connection._io.write_to_socket(frames)
        eventually(lambda: count_dead_letters(connection, TEST) == 1)
    with Publisher(broker, "test") as publisher:
        assert requeue(connection, publisher, TEST) == (1, 0)
    assert taken(broker, TEST, 1)[0].body == b"?"


def test_requeueing_to_a_deleted_queue_keeps_the_dead_letters(broker: BrokerAddress, connection: Connection) -> None:
    publish_dead_letters(broker, 3)
    with channel_to(broker) as channel:
        channel.queue.delete(TEST)
    with Publisher(broker, "test") as publisher, pytest.raises(PublishError, match="no queue is bound"):
        requeue(connection, publisher, TEST)
    connection.close_gracefully()
    eventually(lambda: waiting(broker, DEAD) == 3)


def test_purging_deletes_all_dead_letters_and_returns_their_number(
    broker: BrokerAddress, connection: Connection
) -> None:
    publish_dead_letters(broker, 7)
    assert purge(connection, TEST) == 7
    assert count_dead_letters(connection, TEST) == 0
    assert purge(connection, TEST) == 0


def test_an_error_names_a_dead_letter_queue_that_does_not_exist(broker: BrokerAddress, connection: Connection) -> None:
    with Publisher(broker, "test") as publisher:
        for attempt in (
            lambda: peek(connection, "stockwire.nobody", 10, whole),
            lambda: requeue(connection, publisher, "stockwire.nobody"),
            lambda: purge(connection, "stockwire.nobody"),
        ):
            with pytest.raises(SettingsError, match=r"queue stockwire\.nobody\.dead does not exist"):
                attempt()


def test_a_lost_connection_raises_broker_unavailable(broker: BrokerAddress) -> None:
    publish_dead_letters(broker, 1)
    with proxy(broker) as between:
        lost = connect(between.address, "test")
        between.cut()
        eventually(lambda: lost.errors)
        for attempt in (
            lambda: count_dead_letters(lost, TEST),
            lambda: peek(lost, TEST, 1, whole),
            lambda: purge(lost, TEST),
        ):
            with pytest.raises(BrokerUnavailable, match="lost"):
                attempt()
        lost.abort()


def test_a_message_that_rabbitmq_dead_letters_by_itself_has_a_reason(
    broker: BrokerAddress, connection: Connection
) -> None:
    queue = declare(broker)
    publish(broker, *messages(2))
    with channel_to(broker) as channel:
        rejected = channel.basic.get(queue, auto_decode=False)
        assert rejected
        rejected.reject(requeue=False)
    eventually(lambda: count_dead_letters(connection, TEST) == 1)
    (dead,) = peek(connection, TEST, 10, whole)
    assert describe_death(dead).reason == "rejected"


def test_a_message_over_the_delivery_limit_has_a_reason_in_plain_words(
    broker: BrokerAddress, connection: Connection
) -> None:
    declare_raw(
        broker,
        "killing",
        {
            "x-queue-type": "quorum",
            "x-delivery-limit": 1,
            "x-dead-letter-exchange": "market_data.dead",
            "x-dead-letter-routing-key": TEST,
        },
    )
    declare(broker, "nothing")
    publish(broker, message())
    with channel_to(broker) as channel:
        for _ in range(2):
            again = eventually(lambda: channel.basic.get("killing", auto_decode=False))
            again.reject(requeue=True)
    eventually(lambda: count_dead_letters(connection, TEST) == 1)
    assert (
        describe_death(peek(connection, TEST, 1, whole)[0]).reason == "the consumer crashed on this message too often"
    )


# Headers that a stranger sends, to pass for a dead letter of another kind.
FORGED: dict[str, Any] = {
    REASON: "all is well",
    "X-Stockwire-Reason": "all is well",
    QUEUE: "stockwire.other",
    ROUTING_KEY: "stock.OTHER.price",
    DIED_AT: "1999-01-01T00:00:00Z",
    BODY_SIZE: 5,
    BODY_SHA256: "abc",
    "x-stockwire-new": "?",
    "x-first-death-reason": "expired",
    "x-death": [{"reason": "expired", "queue": "other", "routing-keys": ["stock.OTHER.price"], "exchange": ""}],
}


def test_a_strangers_headers_never_replace_those_of_a_dead_letter() -> None:
    dead = dead_letter(delivery(headers={**FORGED, "trace": "1"}), TEST, "not JSON", NOW)
    assert dead.properties["headers"] == {
        "trace": "1",
        REASON: "not JSON",
        QUEUE: TEST,
        ROUTING_KEY: "stock.AAPL.price",
        DIED_AT: "2024-11-20T10:00:03.120000Z",
    }


def test_a_strangers_headers_do_not_hide_why_rabbitmq_dead_lettered_a_message(
    broker: BrokerAddress, connection: Connection
) -> None:
    queue = declare(broker)
    sent = raw_message(b"?")
    publish(broker, replace(sent, properties={**sent.properties, "headers": FORGED}))
    with channel_to(broker) as channel:
        rejected = channel.basic.get(queue, auto_decode=False)
        assert rejected
        rejected.reject(requeue=False)
    eventually(lambda: count_dead_letters(connection, TEST) == 1)
    (dead,) = peek(connection, TEST, 10, whole)
    death = describe_death(dead)
    assert (death.reason, death.routing_key) == ("rejected", "stock.AAPL.price")
    assert (death.died_at or "") > "2026"
    assert dropped_body(dead) is None
    assert not [name for name in trusted_headers(dead) if name.lower().startswith("x-stockwire-")]
    with Publisher(broker, "test") as publisher:
        assert requeue(connection, publisher, TEST) == (1, 0)
    assert taken(broker, TEST, 1)[0].headers == {ROUTING_KEY: "stock.AAPL.price"}


def test_a_strangers_delivery_count_does_not_count(broker: BrokerAddress) -> None:
    queue = declare(broker)
    sent = raw_message(b"?")
    publish(broker, replace(sent, properties={**sent.properties, "headers": {"x-delivery-count": 50}}))
    assert [each.attempts for each in taken(broker, queue, 1, acknowledge=False)] == [0]
    assert [each.attempts for each in taken(broker, queue, 1)] == [1]


def test_a_missing_reason_is_unknown() -> None:
    assert describe_death(delivery()).reason == "unknown"
