"""Tests that need their own broker: TLS, an alarm, and a kill under load."""

import logging
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import pytest

from infra.up.install import find_server
from infra.up.rabbitmq import PrivateBroker, free_port
from infra.up.watchdog import Watchdog
from shared.errors import BrokerRefused, BrokerUnavailable, PublishError
from shared.messaging.address import BrokerAddress
from shared.messaging.amqp.connection import connect
from shared.messaging.consumer import consumer
from shared.messaging.messages import Message
from shared.messaging.publisher import Publisher
from shared.settings import ROOT
from shared.signals import Stop
from tests.conftest import unavailable
from tests.consumer_thread import Recorder, Running, running
from tests.event_factories import message, messages, stock_data
from tests.polling import eventually
from tests.queues import consumers_of, declare, publish, taken, waiting
from tests.shared_rabbitmq import evaluate
from tests.tls_servers import Authority

COMPOSE_CONFIG = ROOT / "infra/rabbitmq/rabbitmq.conf"


@pytest.fixture(scope="module")
def tls_port() -> int:
    return free_port()


@pytest.fixture(scope="module")
def own_broker(tmp_path_factory: pytest.TempPathFactory, tls_port: int) -> Iterator[PrivateBroker]:
    server = find_server()
    if server is None:
        unavailable("no RabbitMQ is installed")
        raise AssertionError
    folder = tmp_path_factory.mktemp("own")
    Authority(folder).issue("server")
    tls = (
        f"listeners.ssl.1 = 127.0.0.1:{tls_port}\nssl_options.cacertfile = {folder}/ca.pem\n"
        f"ssl_options.certfile = {folder}/server.pem\nssl_options.keyfile = {folder}/server.key\n"
    )
    # Includes the configuration that docker-compose.yml mounts, to test that RabbitMQ accepts it.
    broker = PrivateBroker(folder, server, extra_config=COMPOSE_CONFIG.read_text() + tls)
    with Watchdog([broker.process_file], folder / "watchdog.log"):
        broker.start()
        try:
            yield broker
        finally:
            broker.stop()


def over_tls(broker: PrivateBroker, port: int, query: str, host: str = "localhost") -> BrokerAddress:
    return BrokerAddress.parse(f"amqps://guest:guest@{host}:{port}/?{query}")


def set_memory_limit(broker: PrivateBroker, fraction: float) -> None:
    """Raise or lift an alarm, like `rabbitmqctl set_vm_memory_high_watermark`, which takes half a second."""
    evaluate(broker, f"vm_memory_monitor:set_vm_memory_high_watermark({fraction:f}).")


class TestTls:
    def test_events_are_published_and_consumed_over_tls(self, own_broker: PrivateBroker, tls_port: int) -> None:
        address = over_tls(own_broker, tls_port, f"cacertfile={own_broker.folder}/ca.pem")
        handler = Recorder()
        with running(consumer("tls", "#")(handler), own_broker.address, through=address):
            sent = messages(3000)
            publish(address, *sent)
            eventually(lambda: len(handler.ids) == 3000)
        assert handler.ids == [each.id for each in sent]

    def test_a_certificate_of_an_unknown_authority_is_rejected(self, own_broker: PrivateBroker, tls_port: int) -> None:
        with pytest.raises(BrokerRefused, match="certificate") as caught:
            connect(over_tls(own_broker, tls_port, ""), "test")
        assert "cacertfile" in str(caught.value)
        assert "\n" not in str(caught.value)

    def test_a_certificate_for_another_host_is_rejected(self, own_broker: PrivateBroker, tls_port: int) -> None:
        trusted = f"cacertfile={own_broker.folder}/ca.pem"
        with pytest.raises(BrokerRefused, match="certificate"):
            connect(over_tls(own_broker, tls_port, trusted, host="127.0.0.1"), "test")
        named = f"{trusted}&server_name_indication=localhost"
        connect(over_tls(own_broker, tls_port, named, host="127.0.0.1"), "test").close_gracefully()

    def test_verify_none_accepts_any_certificate(self, own_broker: PrivateBroker, tls_port: int) -> None:
        connect(over_tls(own_broker, tls_port, "verify=verify_none"), "test").close_gracefully()

    def test_the_error_for_the_wrong_scheme_names_the_right_one(self, own_broker: PrivateBroker, tls_port: int) -> None:
        with pytest.raises(BrokerRefused, match=r"does not speak TLS on this port: use its TLS port, .* or amqp:// in"):
            connect(over_tls(own_broker, own_broker.amqp_port, "verify=verify_none"), "test")
        with pytest.raises(BrokerRefused, match="speaks TLS on this port: use amqps:// in STOCKWIRE_AMQP_URL"):
            connect(replace(own_broker.address, port=tls_port), "test")


def test_the_error_names_an_alarm_and_publishing_continues_after_the_alarm(
    own_broker: PrivateBroker, caplog: pytest.LogCaptureFixture
) -> None:
    queue = declare(own_broker.address, name="alarm")
    with Publisher(own_broker.address, "test", timeout=2) as publisher:
        publisher.publish([message()])
        set_memory_limit(own_broker, 0.00001)
        try:
            with pytest.raises(PublishError, match="blocked publishers"):
                publisher.publish([message()])
            assert caplog.text.count("has blocked publishers") == 1
            sent = messages(100)
            lifting = threading.Timer(5, set_memory_limit, [own_broker, 0.4])
            lifting.start()
            with Publisher(own_broker.address, "patient", timeout=3, wait_while_blocked=True) as patient:
                assert patient.publish(sent) == 100
            lifting.join()
            assert caplog.text.count("publishing again") == 1
        finally:
            set_memory_limit(own_broker, 0.4)
    held = eventually(lambda: waiting(own_broker.address, queue))
    stored = {delivery.properties["message_id"] for delivery in taken(own_broker.address, queue, held or 0)}
    assert stored == {each.id for each in sent}


def test_a_stop_ends_the_wait_for_a_broker_under_an_alarm(own_broker: PrivateBroker) -> None:
    declare(own_broker.address, name="alarm")
    stop = Stop()
    set_memory_limit(own_broker, 0.00001)
    try:
        threading.Timer(1.5, stop.request).start()
        before = time.monotonic()
        with pytest.raises(PublishError, match="stopped before") as caught:
            Publisher(own_broker.address, "stopped", wait_while_blocked=True, stop=stop).publish(messages(3))
        assert time.monotonic() - before < 10
        assert len(caught.value.failures) == 3
    finally:
        set_memory_limit(own_broker, 0.4)


@dataclass
class Outage:
    """Observations of a publisher and a consumer at work while the broker is killed and started again."""

    sent: list[str] = field(default_factory=list)
    confirmed: int = 0
    handled: list[str] = field(default_factory=list)
    noticed_after: float = 0.0
    back_after: float = 0.0
    timeout_error: PublishError | None = None
    timed_out_after: float = 0.0
    sent_while_down: list[str] = field(default_factory=list)
    reconnections: int = 0
    left: int | None = None


class Warnings(logging.Handler):
    """The time of a logger's first warning, and the number of its warnings."""

    def __init__(self, name: str) -> None:
        super().__init__(logging.WARNING)
        self.first = 0.0
        self.count = 0
        self._logger = logging.getLogger(name)
        self._logger.addHandler(self)

    def emit(self, _record: logging.LogRecord) -> None:
        self.first = self.first or time.monotonic()
        self.count += 1

    def remove(self) -> None:
        self._logger.removeHandler(self)


@pytest.fixture(scope="module")
def outage(own_broker: PrivateBroker) -> Outage:
    observed = Outage()
    address = own_broker.address
    queue = declare(address, name="outage")
    handler = Recorder()
    run = Running(consumer("outage", "#")(handler), address)
    eventually(lambda: run.error or consumers_of(address, queue))
    # RabbitMQ stores a new queue within some seconds. If killed before, it restarts with an incomplete queue.
    evaluate(own_broker, "catch mnesia:sync_log().")
    everything = messages(6000)
    underway, killed = threading.Event(), threading.Event()

    def events() -> Iterator[Message]:
        for number, each in enumerate(everything):
            if number == 3000:
                underway.set()
            if number == 3300:
                # Some messages are sent and unconfirmed, or confirmed and unhandled, when RabbitMQ is killed.
                killed.wait(30)
            observed.sent.append(each.id)
            yield each

    def publish_all() -> None:
        with Publisher(address, "persistent", timeout=60) as publisher:
            observed.confirmed = publisher.publish(events())

    noticing, publishing = Warnings("shared.messaging.runner"), Warnings("shared.messaging.publisher")
    persistent = threading.Thread(target=publish_all)
    try:
        with Publisher(address, "publisher", timeout=1) as publisher:
            publisher.publish([message()])
            persistent.start()
            assert underway.wait(30)
            own_broker.kill()
            died = time.monotonic()
            killed.set()
            sent_while_down = [message(stock_data("MSFT")), message(stock_data("GOOG")), message(stock_data("IBM"))]
            observed.sent_while_down = [each.id for each in sent_while_down]
            try:
                publisher.publish(sent_while_down)
            except PublishError as error:
                observed.timeout_error = error
            observed.timed_out_after = time.monotonic() - died
        eventually(lambda: noticing.first, timeout=10)
        observed.noticed_after = noticing.first - died
        own_broker.start()
        back, before = time.monotonic(), len(handler.ids)
        eventually(lambda: len(handler.ids) > before, timeout=30)
        observed.back_after = time.monotonic() - back
        persistent.join(60)
        eventually(lambda: len(set(handler.ids)) >= 6000, timeout=30)
    finally:
        killed.set()
        noticing.remove()
        publishing.remove()
        run.stop.request()
        assert run.ended() is None
        if not own_broker.running:
            own_broker.start()
        persistent.join(60)
    observed.handled = handler.ids
    observed.reconnections = publishing.count
    observed.left = waiting(address, queue)
    return observed


class TestABrokerThatIsKilledAndStartedAgain:
    def test_the_consumer_notices_within_2_seconds(self, outage: Outage) -> None:
        assert outage.noticed_after < 2

    def test_the_consumer_continues_after_the_restart(self, outage: Outage) -> None:
        assert outage.back_after < 15
        assert outage.left == 0

    def test_a_publisher_that_times_out_reports_every_event(self, outage: Outage) -> None:
        assert outage.timeout_error is not None
        assert set(outage.timeout_error.failures) == set(outage.sent_while_down)
        assert 1 <= outage.timed_out_after < 5

    def test_a_publisher_with_a_longer_timeout_gets_every_event_confirmed(self, outage: Outage) -> None:
        assert outage.confirmed == 6000
        assert outage.reconnections >= 2

    def test_every_confirmed_event_is_handled_with_its_id(self, outage: Outage) -> None:
        assert set(outage.handled) >= set(outage.sent)
        assert set(outage.handled) <= set(outage.sent) | set(outage.sent_while_down) | {message().id}

    def test_most_events_are_delivered_once(self, outage: Outage) -> None:
        """Messages that were confirmed and handled before the kill are not all delivered again."""
        again = [count for count in Counter(outage.handled).values() if count > 1]
        assert len(again) < 3000


def test_a_consumer_without_a_broker_at_its_start_raises_broker_unavailable(own_broker: PrivateBroker) -> None:
    run = Running(consumer("away", "#")(Recorder()), replace(own_broker.address, port=free_port()))
    assert isinstance(run.ended(), BrokerUnavailable)
