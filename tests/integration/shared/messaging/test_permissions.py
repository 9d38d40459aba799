"""Users who lack a permission: one line says which command grants it, and nothing is tried forever."""

import re
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from amqpstorm.exception import AMQPChannelError

from infra.dead_letters import PERMISSIONS
from infra.up.rabbitmq import PrivateBroker
from shared.errors import BrokerError, BrokerRefused, PermissionMissing, PublishError, PublishRefused
from shared.messaging import dead_letters as dead_letter_commands
from shared.messaging import runner
from shared.messaging.address import BrokerAddress
from shared.messaging.amqp.connection import connect, connected
from shared.messaging.amqp.declarations import _Declaring, declare_exchanges, declare_queue
from shared.messaging.consumer import Consumer
from shared.messaging.messages import Message
from shared.messaging.permissions import (
    Permissions,
    consumer_permissions,
    publisher_permissions,
    routing_key_pattern,
)
from shared.messaging.publisher import Publisher
from shared.messaging.runner import REDECLARE_INTERVAL
from shared.messaging.topology import DEAD_EXCHANGE, LIVE_PRICES, QueueSpec
from tests.broker_users import EVERYTHING, BrokerUsers, broker_users
from tests.consumer_thread import Recorder, Running, opened, running
from tests.event_factories import message, raw_message, stock_data
from tests.polling import eventually
from tests.queues import channel_to, consumers_of, dead_letters, declare, publish, waiting

NOTHING = Permissions(publishes=(".*",), binds=(".*",))
SPEC = QueueSpec("stockwire.test", (LIVE_PRICES,))
LEAST = consumer_permissions(SPEC)


@pytest.fixture
def users(rabbitmq: PrivateBroker) -> Iterator[BrokerUsers]:
    with broker_users(rabbitmq) as users:
        yield users


def consumer(handler: object = None, **options: bool) -> Consumer:
    return Consumer("test", (LIVE_PRICES,), opened(handler or Recorder()), **options)


def refusal(address: BrokerAddress, wanted: Consumer) -> BrokerError:
    """Run the consumer until it ends, and return its error."""
    run = Running(wanted, address)
    try:
        error = run.ended(10)
    finally:
        run.stop.request()
    assert isinstance(error, PermissionMissing), repr(error)
    assert f"'{address.username}'" in str(error)
    assert "\n" not in str(error)
    return error


@pytest.mark.parametrize("transient", [False, True])
@pytest.mark.parametrize("permissions", [NOTHING, replace(EVERYTHING, read=()), replace(EVERYTHING, binds=())])
def test_a_refused_consumer_ends_with_the_command_that_mends_it(
    permissions: Permissions, transient: bool, users: BrokerUsers
) -> None:
    """The consumer does not connect again, because waiting does not grant a permission."""
    address, recorder = users.add(permissions), Recorder()
    wanted = consumer(recorder, transient=transient)
    command = users.obey_named_command(str(refusal(address, wanted)))
    kind = "set_topic_permissions" if permissions.read else "set_permissions"
    assert command.startswith(f"{kind} -p {address.virtual_host} {address.username} ")
    run = Running(wanted, address)
    try:
        eventually(lambda: run.error or _published(users.administrator))
        eventually(lambda: run.error or recorder.ids)
    finally:
        run.stop.request()
    assert run.ended() is None


def _published(broker: BrokerAddress) -> bool:
    """Return True if a queue has taken a price."""
    try:
        return publish(broker, message()) == 1
    except PublishError:
        return False


def test_a_consumer_needs_no_permission_for_exchanges_and_dead_letters_that_exist(users: BrokerUsers) -> None:
    declare(users.administrator, LIVE_PRICES)
    recorder = Recorder()
    with running(consumer(recorder), users.administrator, through=users.add(LEAST)):
        publish(users.administrator, message(), raw_message(b"?"))
        eventually(lambda: recorder.ids and dead_letters(users.administrator, SPEC.name))
        # Long enough to declare everything again.
        time.sleep(REDECLARE_INTERVAL + 0.5)
        publish(users.administrator, message(stock_data("MSFT")))
        eventually(lambda: len(recorder.ids) == 2)
    assert len(recorder.batches) == 2


@pytest.fixture
def refused(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the declarations that RabbitMQ refuses, and logs."""
    found: list[str] = []
    real = _Declaring._call

    def call(self: _Declaring, method: Any) -> dict[str, Any]:
        try:
            return real(self, method)
        except BrokerRefused:
            found.append(method.name)
            raise

    monkeypatch.setattr(_Declaring, "_call", call)
    return found


def test_a_consumer_is_refused_once_per_connection_so_that_it_does_not_fill_rabbitmqs_log(
    users: BrokerUsers, refused: list[str]
) -> None:
    declare(users.administrator, LIVE_PRICES)
    with connected(users.add(LEAST), "test") as connection:
        declare_queue(connection, SPEC)
    assert refused == ["Exchange.Declare"]


def test_a_publisher_is_refused_nothing_however_often_it_connects(users: BrokerUsers, refused: list[str]) -> None:
    declare(users.administrator, LIVE_PRICES)
    address = users.add(publisher_permissions(LIVE_PRICES))
    for _ in range(3):
        with connected(address, "test") as connection:
            declare_exchanges(connection)
    assert refused == []


@pytest.mark.parametrize("deed", ["delete an exchange", "delete the dead letters", "read the dead letters of others"])
def test_a_consumer_with_the_least_permissions_cannot(deed: str, users: BrokerUsers) -> None:
    declare(users.administrator, LIVE_PRICES)
    declare(users.administrator, LIVE_PRICES, name="other")
    with channel_to(users.add(LEAST)) as channel:
        deeds: dict[str, Callable[[], object]] = {
            "delete an exchange": lambda: channel.exchange.delete("market_data"),
            "delete the dead letters": lambda: channel.queue.purge(f"{SPEC.name}.dead"),
            "read the dead letters of others": lambda: channel.queue.bind(
                SPEC.name, "market_data.dead", "stockwire.other"
            ),
        }
        with pytest.raises(AMQPChannelError, match="ACCESS_REFUSED"):
            deeds[deed]()


def test_a_dead_letter_that_is_refused_ends_the_consumer_with_the_command(users: BrokerUsers) -> None:
    """Otherwise the same message would come back for ever."""
    declare(users.administrator, LIVE_PRICES)
    address = users.add(replace(EVERYTHING, write=("stockwire.*",)))
    publish(users.administrator, raw_message(b"?"))
    users.obey_named_command(str(refusal(address, consumer())))
    with running(consumer(), users.administrator, through=address):
        eventually(lambda: dead_letters(users.administrator, SPEC.name))


def test_a_consumer_that_is_refused_after_it_has_run_ends_after_a_while(
    users: BrokerUsers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At first it tries again, because RabbitMQ may not know its users yet while it starts."""
    monkeypatch.setattr(runner, "REFUSED_TIMEOUT", 1.0)
    address = users.add(EVERYTHING)
    run = Running(consumer(), address)
    try:
        eventually(lambda: run.error or consumers_of(users.administrator, run.queue))
        users.revoke(address.username)
        users.node.rabbitmqctl("close_all_user_connections", address.username, "test")
        error = run.ended()
    finally:
        run.stop.request()
    assert isinstance(error, PermissionMissing)
    users.obey_named_command(str(error))
    connect(address, "test").close_gracefully()


def test_a_consumer_with_the_least_permissions_declares_its_deleted_queue_again(users: BrokerUsers) -> None:
    declare(users.administrator, LIVE_PRICES)
    recorder = Recorder()
    with running(consumer(recorder), users.administrator, through=users.add(LEAST)):
        with channel_to(users.administrator) as channel:
            channel.queue.delete(SPEC.name)
        eventually(lambda: _published(users.administrator))
        eventually(lambda: recorder.ids)


@pytest.mark.parametrize("lacking", ["read", "write"])
def test_a_refused_dead_letter_command_names_the_command_that_mends_it(lacking: str, users: BrokerUsers) -> None:
    queue = declare(users.administrator, LIVE_PRICES)
    publish(users.administrator, Message(DEAD_EXCHANGE, queue, b"?", {}))
    address = users.add(replace(EVERYTHING, **{lacking: ()}))

    def requeue() -> int:
        with (
            connected(address, "test", PERMISSIONS) as connection,
            Publisher(address, "test", permissions=PERMISSIONS) as publisher,
        ):
            return dead_letter_commands.requeue(connection, publisher, queue).sent

    with pytest.raises(PermissionMissing) as caught:
        requeue()
    users.obey_named_command(str(caught.value))
    eventually(lambda: waiting(users.administrator, f"{queue}.dead"))
    assert requeue() == 1


class TestPublishing:
    PRICES = publisher_permissions(LIVE_PRICES)

    def publish(self, address: BrokerAddress, *symbols: str) -> int:
        with Publisher(address, "test", permissions=self.PRICES) as publisher:
            return publisher.publish(message(stock_data(symbol)) for symbol in symbols)

    def test_a_publisher_needs_no_permission_to_declare_exchanges_that_exist(self, users: BrokerUsers) -> None:
        declare(users.administrator)
        assert self.publish(users.add(self.PRICES), "AAPL", "MSFT") == 2

    def test_it_may_publish_only_its_own_routing_keys(self, users: BrokerUsers) -> None:
        declare(users.administrator)
        address = users.add(self.PRICES)
        with Publisher(address, "test", permissions=self.PRICES) as publisher, pytest.raises(PublishRefused):
            publisher.publish([message(backfill=True)])

    @pytest.mark.parametrize("lacking", ["write", "publishes"])
    def test_a_refusal_names_every_event_and_ends_with_the_command(self, lacking: str, users: BrokerUsers) -> None:
        declare(users.administrator)
        address = users.add(replace(EVERYTHING, **{lacking: ()}))
        with pytest.raises(PublishRefused) as caught:
            self.publish(address, "AAPL", "MSFT", "IBM")
        assert len(caught.value.failures) == 3
        command = users.obey_named_command(str(caught.value))
        assert command.startswith("set_permissions" if lacking == "write" else "set_topic_permissions")
        assert self.publish(address, "AAPL", "MSFT", "IBM") == 3

    def test_without_the_exchanges_the_command_lets_it_declare_them(self, users: BrokerUsers) -> None:
        address = users.add(self.PRICES)
        with pytest.raises(PermissionMissing) as caught:
            self.publish(address, "AAPL")
        users.obey_named_command(str(caught.value))
        with connected(address, "test") as connection:
            declare_exchanges(connection)


def test_a_user_without_access_to_the_virtual_host_gets_the_command(users: BrokerUsers) -> None:
    address = users.add(EVERYTHING)
    users.revoke(address.username)
    with pytest.raises(PermissionMissing) as caught:
        connect(address, "test", LEAST)
    users.obey_named_command(str(caught.value))
    connect(address, "test").close_gracefully()


def test_a_missing_virtual_host_gets_its_command(broker: BrokerAddress) -> None:
    with pytest.raises(BrokerRefused, match=r"not found.*, or run: rabbitmqctl add_vhost 'no where'$"):
        connect(replace(broker, virtual_host="no where"), "test")


@pytest.mark.parametrize(
    ("pattern", "key", "matches"),
    [
        ("stock.*.price", "stock.AAPL.price", True),
        ("stock.*.price", "stock.*.price", True),
        ("stock.*.price", "stock.#.price", False),
        ("stock.*.price", "stock.A.B.price", False),
        ("stock.*.price", "stock.AAPL.backfill", False),
        ("alert.#", "alert.AAPL.crossing_up", True),
        ("alert.#", "#", False),
        ("#", "#", True),
    ],
)
def test_a_pattern_as_regular_expression_includes_its_keys(pattern: str, key: str, matches: bool) -> None:
    assert bool(re.fullmatch(routing_key_pattern(pattern), key)) is matches
