import threading
from dataclasses import replace

import pytest
from amqpstorm.exception import AMQPChannelError
from pamqp import commands

from infra.up.rabbitmq import PrivateBroker, free_port
from shared.errors import BrokerError, BrokerRefused, BrokerUnavailable
from shared.messaging.address import BrokerAddress
from shared.messaging.amqp.connection import connect, connected
from tests.polling import eventually
from tests.proxy import proxy
from tests.queues import channel_to

SECRET = "s3cr3t"


def refusal(address: BrokerAddress) -> BrokerError:
    with pytest.raises(BrokerError) as caught:
        connect(address, "test")
    assert "\n" not in str(caught.value)
    assert address.password not in str(caught.value).replace("'guest'", "")
    return caught.value


def test_the_error_for_an_unavailable_broker_says_how_to_start_one(broker: BrokerAddress) -> None:
    error = refusal(replace(broker, port=free_port(), password=SECRET))
    assert isinstance(error, BrokerUnavailable)
    assert "RabbitMQ does not answer at amqp://127.0.0.1:" in str(error)
    assert "./stockwire up" in str(error)
    assert "STOCKWIRE_AMQP_URL" in str(error)


def test_a_host_without_an_address_is_an_unavailable_broker(broker: BrokerAddress) -> None:
    error = refusal(replace(broker, host="rabbit.invalid", password=SECRET))
    assert isinstance(error, BrokerUnavailable)
    assert "rabbit.invalid" in str(error)


def test_a_server_that_is_not_rabbitmq_is_an_unavailable_broker(broker: BrokerAddress, rabbitmq: PrivateBroker) -> None:
    error = refusal(replace(broker, port=rabbitmq.epmd_port, password=SECRET))
    assert isinstance(error, BrokerUnavailable)


def test_the_error_for_a_wrong_password_names_the_setting(broker: BrokerAddress) -> None:
    error = refusal(replace(broker, password=SECRET))
    assert isinstance(error, BrokerRefused)
    assert "'guest'" in str(error)
    assert "STOCKWIRE_AMQP_URL" in str(error)


def test_the_error_for_a_missing_virtual_host_names_the_setting(broker: BrokerAddress) -> None:
    error = refusal(replace(broker, virtual_host="nowhere"))
    assert isinstance(error, BrokerRefused)
    assert "virtual host" in str(error)
    assert "STOCKWIRE_AMQP_URL" in str(error)


def test_listeners_are_told_of_a_lost_connection_at_once(broker: BrokerAddress) -> None:
    with proxy(broker) as between:
        connection = connect(between.address, "test")
        told = threading.Event()
        connection.errors.listeners.append(lambda _error: told.set())
        between.cut()
        assert told.wait(2)
        assert str(connection.lost()).startswith("the connection to RabbitMQ at amqp://127.0.0.1:")
        connection.abort()


def test_a_send_that_is_not_read_times_out(broker: BrokerAddress, monkeypatch: pytest.MonkeyPatch) -> None:
    """A broker under an alarm stops reading. A send must not hang forever then."""
    monkeypatch.setattr("shared.messaging.amqp.connection.CONNECT_TIMEOUT", 1)
    with proxy(broker) as between:
        connection = connect(between.address, "test")
        between.stuck.set()
        sending = threading.Thread(target=connection._io.write_to_socket, args=(bytes(64 * 1024 * 1024),))
        sending.start()
        sending.join(10)
        assert not sending.is_alive()
        assert connection.errors
        connection.abort()
        between.stuck.clear()


def test_the_heartbeat_detects_silence_while_a_full_socket_blocks_a_send(broker: BrokerAddress) -> None:
    with proxy(replace(broker, heartbeat=1)) as between:
        connection = connect(between.address, "test")
        between.stuck.set()
        sending = threading.Thread(target=connection._io.write_to_socket, args=(bytes(64 * 1024 * 1024),))
        sending.start()
        sending.join(5)
        assert not sending.is_alive()
        assert "no heartbeat" in str(connection.lost())
        connection.abort()


def test_a_connection_is_closed_at_the_end_of_its_block(broker: BrokerAddress) -> None:
    with proxy(broker) as between:
        with connected(between.address, "test") as connection:
            assert connection.is_open
        eventually(lambda: connection.is_closed)
        assert threading.active_count() < 20


def test_the_connection_name_is_sent_to_rabbitmq(broker: BrokerAddress) -> None:
    with connected(broker, "history") as connection:
        sent = connection.parameters["client_properties"]
        assert sent["connection_name"] == "stockwire history"


def test_malformed_frames_end_the_connection(broker: BrokerAddress) -> None:
    with proxy(broker) as between:
        connection = connect(between.address, "test")
        between.answer(b"\x01\x00\x01\x00\x00\x00\x04\xff\xff\xff\xff\xce")
        eventually(lambda: connection.errors, timeout=5)
        connection.abort()


def test_many_channels_can_be_opened_and_closed_on_one_connection(broker: BrokerAddress) -> None:
    with channel_to(broker) as channel, connected(broker, "test") as connection:
        assert channel.is_open
        for _ in range(50):
            connection.channel(rpc_timeout=5).close()


def test_a_channel_that_is_closed_during_the_check_for_errors_raises_the_reason(broker: BrokerAddress) -> None:
    with connected(broker, "test") as connection:
        channel = connection.open_channel()

        class ClosedAfterTheLook(list[Exception]):
            """The channel's errors: none at the first look, and right after that RabbitMQ closes the channel."""

            def __bool__(self) -> bool:
                if channel.is_open:
                    channel.set_state(channel.CLOSING)
                    channel._close_channel(commands.Channel.Close(404, "NOT_FOUND - no queue"))
                    return False
                return len(self) > 0

        channel._exceptions = ClosedAfterTheLook()
        with pytest.raises(AMQPChannelError, match="no queue") as caught:
            channel.check_for_errors()
        assert caught.value.error_code == 404
