"""Counts of a queue's messages and consumers, and purging of a queue."""

from amqpstorm.exception import AMQPChannelError

from shared.messaging.amqp.connection import Connection, translate_errors

_NOT_FOUND = 404


def count_messages(connection: Connection, queue: str) -> int | None:
    """Return the number of ready messages in `queue`, or None if `queue` does not exist. Raises BrokerError."""
    declared = _declare_passively(connection, queue)
    return declared["message_count"] if declared else None


def count_consumers(connection: Connection, queue: str) -> int:
    """Return the number of consumers of `queue`, or 0 if `queue` does not exist. Raises BrokerError."""
    declared = _declare_passively(connection, queue)
    return declared["consumer_count"] if declared else 0


def count_messages_and_consumers(connection: Connection, queue: str) -> tuple[int, int] | None:
    """Return the numbers of ready messages and of consumers, or None if `queue` does not exist. Raises BrokerError."""
    declared = _declare_passively(connection, queue)
    return (declared["message_count"], declared["consumer_count"]) if declared else None


def purge_queue(connection: Connection, queue: str) -> int:
    """Delete the ready messages of `queue`, and return their number. Raises BrokerError."""
    connection.queue = queue
    with translate_errors(connection):
        channel = connection.open_channel()
        purged = channel.queue.purge(queue)
        channel.close()
    return int(purged["message_count"])


def _declare_passively(connection: Connection, queue: str) -> dict[str, int] | None:
    connection.queue = queue
    with translate_errors(connection):
        channel = connection.open_channel()
        try:
            declared: dict[str, int] = channel.queue.declare(queue, passive=True)
        except AMQPChannelError as error:
            if error.error_code == _NOT_FOUND:
                return None
            raise
        channel.close()
    return declared
