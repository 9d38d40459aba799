"""Two checkouts on one broker share its queues, and are told so."""

from infra.other_consumers import describe_other_consumers
from infra.up.stack import CONSUMERS
from producer.task_queue.topology import QUEUE
from shared.messaging.address import BrokerAddress
from shared.messaging.amqp.connection import connected
from shared.messaging.topology import queue_name
from tests.queues import channel_to


def described(broker: BrokerAddress, own: int) -> str:
    with connected(broker, "test") as connection:
        return describe_other_consumers(connection, own)


def test_consumers_beyond_our_own_are_counted_by_queue(broker: BrokerAddress) -> None:
    assert described(broker, 0) == ""
    with channel_to(broker) as channel:
        for queue in (*map(queue_name, CONSUMERS), QUEUE):
            channel.queue.declare(queue)
            channel.basic.consume(print, queue)
        assert described(broker, 1) == ""
        assert "consume from stockwire.history (1), stockwire.alerts (1), celery.sync (1): " in described(broker, 0)
        channel.basic.consume(print, QUEUE)
        assert "consume from celery.sync (1): another checkout" in described(broker, 1)
