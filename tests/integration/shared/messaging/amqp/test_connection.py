import threading
from dataclasses import replace

import pytest

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


def test_a_broker_that_is_away_says_how_to_get_one(broker: BrokerAddress) -> None:
    error = refusal(replace(broker, port=free_port(), password=SECRET))
    assert isinstance(error, BrokerUnavailable)
    assert "RabbitMQ does not answer at amqp://127.0.0.1:" in str(error)
    assert "./stockwire up" in str(error)
    assert "STOCKWIRE_AMQP_URL" in str(error)


def test_a_host_that_has_no_address_is_a_broker_that_is_away(broker: BrokerAddress) -> None:
    error = refusal(replace(broker, host="rabbit.invalid", password=SECRET))
    assert isinstance(error, BrokerUnavailable)
    assert "rabbit.invalid" in str(error)


def test_something_that_is_no_rabbitmq_is_a_broker_that_is_away(broker: BrokerAddress, rabbitmq: PrivateBroker) -> None:
    error = refusal(replace(broker, port=rabbitmq.epmd_port, password=SECRET))
    assert isinstance(error, BrokerUnavailable)


def test_a_wrong_password_says_which_setting_to_check(broker: BrokerAddress) -> None:
    error = refusal(replace(broker, password=SECRET))
    assert isinstance(error, BrokerRefused)
    assert "'guest'" in str(error)
    assert "STOCKWIRE_AMQP_URL" in str(error)


def test_a_virtual_host_that_is_not_there_says_which_setting_to_check(broker: BrokerAddress) -> None:
    error = refusal(replace(broker, virtual_host="nowhere"))
    assert isinstance(error, BrokerRefused)
    assert "virtual host" in str(error)
    assert "STOCKWIRE_AMQP_URL" in str(error)


def test_a_loss_is_reported_to_whoever_listens_as_soon_as_the_socket_shows_it(broker: BrokerAddress) -> None:
    with proxy(broker) as between:
        connection = connect(between.address, "test")
        told = threading.Event()
        connection.errors.listeners.append(lambda _error: told.set())
        between.cut()
        assert told.wait(2)
        assert str(connection.lost()).startswith("the connection to RabbitMQ at amqp://127.0.0.1:")
        connection.abort()


def test_a_send_that_nobody_reads_gives_up(broker: BrokerAddress, monkeypatch: pytest.MonkeyPatch) -> None:
    """A broker under an alarm reads no more; what is sent then must not hang for ever."""
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


def test_silence_is_noticed_within_the_heartbeat_while_a_full_socket_holds_up_a_send(broker: BrokerAddress) -> None:
    with proxy(replace(broker, heartbeat=1)) as between:
        connection = connect(between.address, "test")
        between.stuck.set()
        sending = threading.Thread(target=connection._io.write_to_socket, args=(bytes(64 * 1024 * 1024),))
        sending.start()
        sending.join(5)
        assert not sending.is_alive()
        assert "no heartbeat" in str(connection.lost())
        connection.abort()


def test_a_connection_that_is_finished_is_gone_from_the_broker(broker: BrokerAddress) -> None:
    with proxy(broker) as between:
        with connected(between.address, "test") as connection:
            assert connection.is_open
        eventually(lambda: connection.is_closed)
        assert threading.active_count() < 20


def test_its_name_shows_in_rabbitmqs_tools(broker: BrokerAddress) -> None:
    with connected(broker, "history") as connection:
        sent = connection.parameters["client_properties"]
        assert sent["connection_name"] == "stockwire history"


def test_frames_that_are_no_amqp_end_the_connection(broker: BrokerAddress) -> None:
    with proxy(broker) as between:
        connection = connect(between.address, "test")
        between.answer(b"\x01\x00\x01\x00\x00\x00\x04\xff\xff\xff\xff\xce")
        eventually(lambda: connection.errors, timeout=5)
        connection.abort()


def test_many_channels_come_and_go_on_one_connection(broker: BrokerAddress) -> None:
    with channel_to(broker) as channel, connected(broker, "test") as connection:
        assert channel.is_open
        for _ in range(50):
            connection.channel(rpc_timeout=5).close()
