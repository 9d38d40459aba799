import re
import time

import pytest

from shared.errors import PublishError, TopologyConflict
from shared.messaging.address import BrokerAddress
from shared.messaging.amqp.confirms import ConfirmChannel
from shared.messaging.amqp.connection import connected, translate_errors
from shared.messaging.amqp.declarations import declare_queue
from shared.messaging.amqp.queues import count_consumers, count_messages
from shared.messaging.messages import Message
from shared.messaging.runner import REDECLARE_INTERVAL
from shared.messaging.topology import (
    BACKFILLED_PRICES,
    DEAD_EXCHANGE,
    DEAD_QUEUE_ARGUMENTS,
    DEAD_QUEUE_PATTERN,
    LIVE_PRICES,
    UNLIMITED_DEAD_QUEUE_ARGUMENTS,
    QueueSpec,
    alert_key,
    backfill_key,
    price_key,
)
from tests.consumer_thread import Recorder, Running, running
from tests.event_factories import message, raw_message, stock_data
from tests.polling import eventually
from tests.queues import channel_to, declare, declare_raw, publish, taken, waiting


def test_a_symbol_is_one_word_of_the_routing_key() -> None:
    keys = (price_key("BRK.B"), backfill_key("BRK.B"), alert_key("BRK.B", "crossing_up"), price_key("AAPL"))
    assert keys == ("stock.BRK-B.price", "stock.BRK-B.backfill", "alert.BRK-B.crossing_up", "stock.AAPL.price")


def test_a_symbol_with_a_dot_matches_the_pattern_of_all_prices(broker: BrokerAddress) -> None:
    live, late = declare(broker, LIVE_PRICES, name="live"), declare(broker, BACKFILLED_PRICES, name="late")
    publish(broker, message(stock_data("BRK.B")), message(stock_data("BRK.B"), backfill=True))
    assert [delivery.routing_key for delivery in taken(broker, live, 1)] == ["stock.BRK-B.price"]
    assert [delivery.routing_key for delivery in taken(broker, late, 1)] == ["stock.BRK-B.backfill"]
    assert (waiting(broker, live), waiting(broker, late)) == (0, 0)


def test_exchanges_and_queues_have_the_documented_arguments(broker: BrokerAddress) -> None:
    """RabbitMQ raises an error if a declaration differs from an existing exchange or queue."""
    queue = declare(broker)
    with channel_to(broker) as channel:
        channel.exchange.declare("market_data", "topic", durable=True)
        channel.exchange.declare("market_data.dead", "direct", durable=True)
        channel.queue.declare(f"{queue}.dead", passive=True)
        channel.queue.declare(
            queue,
            durable=True,
            arguments={
                "x-queue-type": "quorum",
                "x-dead-letter-exchange": "market_data.dead",
                "x-dead-letter-routing-key": queue,
                "x-dead-letter-strategy": "at-least-once",
                "x-overflow": "reject-publish",
                "x-delivery-limit": 20,
            },
        )


def test_a_full_dead_letter_queue_takes_new_messages_and_drops_the_oldest(
    broker: BrokerAddress, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(DEAD_QUEUE_ARGUMENTS, "x-max-length", 5)
    queue = declare(broker)
    publish(broker, *(Message(DEAD_EXCHANGE, queue, b"", {"message_id": str(number)}) for number in range(8)))
    assert [each.id for each in taken(broker, f"{queue}.dead", 5)] == ["3", "4", "5", "6", "7"]
    assert waiting(broker, f"{queue}.dead") == 0


def test_a_dead_letter_queue_of_an_earlier_version_is_kept_and_the_log_says_how_to_limit_it(
    broker: BrokerAddress, caplog: pytest.LogCaptureFixture
) -> None:
    declare_raw(broker, "stockwire.test.dead", UNLIMITED_DEAD_QUEUE_ARGUMENTS, bound=False)
    publish(broker, Message("", "stockwire.test.dead", b"old", {}))
    with running(Recorder(), broker):
        publish(broker, raw_message(b"?"))
        eventually(lambda: waiting(broker, "stockwire.test.dead") == 2)
        # The consumer repeats its declarations.
        time.sleep(REDECLARE_INTERVAL + 0.5)
        publish(broker, raw_message(b"?"))
        eventually(lambda: waiting(broker, "stockwire.test.dead") == 3)
    [warning] = [each.getMessage() for each in caplog.records if each.levelname == "WARNING" and "limits" in each.msg]
    assert f"rabbitmqctl set_policy -p {broker.virtual_host} --apply-to queues stockwire-dead-letters" in warning
    assert '"max-length": 100000, "max-length-bytes": 268435456, "overflow": "drop-head"' in warning


def test_the_policy_for_dead_letters_matches_their_queues_alone() -> None:
    assert re.search(DEAD_QUEUE_PATTERN, "stockwire.history.dead")
    assert not re.search(DEAD_QUEUE_PATTERN, "stockwire.history")
    assert not re.search(DEAD_QUEUE_PATTERN, "another.dead")


def test_a_queue_can_be_declared_twice(broker: BrokerAddress) -> None:
    for _ in range(2):
        declare(broker, LIVE_PRICES)


def test_rejected_messages_go_to_the_queues_own_dead_letters(broker: BrokerAddress) -> None:
    one, other = declare(broker, name="one"), declare(broker, name="other")
    publish(broker, message())
    with channel_to(broker) as channel:
        rejected = channel.basic.get(one, auto_decode=False)
        assert rejected
        rejected.reject(requeue=False)
    assert taken(broker, f"{one}.dead", 1)[0].body == message().body
    assert (waiting(broker, other), waiting(broker, f"{other}.dead")) == (1, 0)


def test_an_unwanted_pattern_is_unbound(broker: BrokerAddress) -> None:
    declare(broker, "stock.AAPL.price", "stock.MSFT.price")
    with connected(broker, "test") as connection:
        declare_queue(
            connection, QueueSpec("stockwire.test", ["stock.AAPL.price"], unwanted_patterns=["stock.MSFT.price"])
        )
    publish(broker, message(stock_data("AAPL")))
    with pytest.raises(PublishError, match="no queue is bound"):
        publish(broker, message(stock_data("MSFT")))


def test_messages_and_consumers_are_counted_if_the_queue_exists(broker: BrokerAddress) -> None:
    queue = declare(broker)
    publish(broker, message())
    with connected(broker, "test") as connection:
        assert (count_messages(connection, queue), count_consumers(connection, queue)) == (1, 0)
        assert (count_messages(connection, "nowhere"), count_consumers(connection, "nowhere")) == (None, 0)
        assert count_messages(connection, queue) == 1


@pytest.mark.parametrize("queue", ["stockwire.test", "stockwire.test.dead"])
def test_the_error_for_a_queue_with_other_arguments_names_it_and_the_solution(
    queue: str, broker: BrokerAddress
) -> None:
    declare_raw(broker, queue, {"x-max-length": 5})
    run = Running(_consumer(), broker)
    error = run.ended()
    assert isinstance(error, TopologyConflict)
    assert str(error).startswith(f"queue {queue} exists with other arguments: empty and delete it")
    assert "--queue" in str(error)
    assert "\n" not in str(error)


@pytest.mark.parametrize("name", ["market_data", "market_data.dead"])
def test_the_error_for_an_exchange_of_another_type_names_it_and_the_solution(name: str, broker: BrokerAddress) -> None:
    with channel_to(broker) as channel:
        channel.exchange.declare(name, "fanout")
    error = Running(_consumer(), broker).ended()
    assert isinstance(error, TopologyConflict)
    assert str(error).startswith(f"exchange {name} exists with other arguments: delete it")


def test_a_publisher_declares_the_exchanges(broker: BrokerAddress) -> None:
    with connected(broker, "test") as connection, translate_errors(connection):
        ConfirmChannel(connection)
    with channel_to(broker) as channel:
        channel.exchange.declare("market_data", passive=True)
        channel.exchange.declare("market_data.dead", passive=True)


def _consumer():  # type: ignore[no-untyped-def]
    from shared.messaging.consumer import consumer

    return consumer("test", "#")(Recorder())
