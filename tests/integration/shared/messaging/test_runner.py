import math
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from shared.errors import PublishError, StorageUnavailable, TopologyConflict
from shared.messaging.address import BrokerAddress
from shared.messaging.consumer import Consumer
from shared.messaging.publisher import Publisher
from shared.messaging.runner import ATTEMPTS_BEFORE_ISOLATION
from shared.settings import ROOT
from tests.consumer_thread import Recorder, Running, opened, running
from tests.event_factories import message, messages, raw_message
from tests.polling import eventually
from tests.proxy import proxy
from tests.queues import channel_to, consumers_of, dead_letters, declare, publish, taken, waiting

QUEUE_NAME = "stockwire.test"

PROGRAM = """
import sys, time
from dataclasses import replace
from pathlib import Path
from shared.messaging.address import BrokerAddress
from shared.messaging.consumer import consumer
from shared.messaging.runner import run_consumer
from shared.settings import Settings
from shared.signals import stop_on_signals

url, folder, way = sys.argv[1], Path(sys.argv[2]), sys.argv[3]
unstored = []

def write(name, events):
    with (folder / name).open("a") as file:
        file.writelines(event.id + "\\n" for event in events)

@consumer("test", "#")
def stores_first(events):
    if len(events) > 1 and way == "hangs":
        (folder / "hanging").touch()
        time.sleep(60)
    write("stored", events)

@consumer("test", "#")
def acknowledges_first(events):
    unstored.extend(events)
    write("seen", events)
    if len(unstored) >= 1000:
        write("stored", unstored)

with stop_on_signals() as stop:
    chosen = acknowledges_first if way == "acknowledges first" else stores_first
    run_consumer(chosen, replace(Settings(), amqp_url=BrokerAddress.parse(url)), stop)
"""


@contextmanager
def process(broker: BrokerAddress, folder: Path, way: str = "stores first") -> Iterator[subprocess.Popen[str]]:
    """A consumer in its own process, which writes the ids of handled events to `folder`/stored."""
    url = f"{broker.url()}?heartbeat=5"
    command = [sys.executable, "-c", PROGRAM, url, str(folder), way]
    started = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)
    try:
        eventually(lambda: started.poll() is not None or consumers_of(broker, QUEUE_NAME))
        yield started
    finally:
        started.kill()
        started.communicate()


def written(file: Path) -> list[str]:
    return file.read_text().split() if file.exists() else []


class TestEvents:
    def test_each_reaches_the_handler_and_is_acknowledged(self, broker: BrokerAddress) -> None:
        handler = Recorder()
        with running(handler, broker) as run:
            sent = messages(50)
            with Publisher(broker, "test") as publisher:
                for each in sent:
                    publisher.publish([each])
            eventually(lambda: len(handler.ids) == 50)
        assert handler.ids == [each.id for each in sent]
        assert waiting(broker, run.queue) == 0

    def test_one_reaches_the_handler_without_waiting_for_a_full_batch(self, broker: BrokerAddress) -> None:
        handler = Recorder()
        with running(handler, broker):
            publish(broker, message())
            eventually(lambda: handler.batches, timeout=5)
        assert [len(batch) for batch in handler.batches] == [1]

    def test_a_backlog_is_delivered_in_batches(self, broker: BrokerAddress) -> None:
        queue = declare(broker)
        sent = messages(3000)
        publish(broker, *sent)
        handler = Recorder()
        with running(handler, broker):
            eventually(lambda: len(handler.ids) == 3000)
        assert handler.ids == [each.id for each in sent]
        assert max(len(batch) for batch in handler.batches) > 50
        assert waiting(broker, queue) == 0

    def test_events_published_while_no_consumer_runs_are_handled_later(self, broker: BrokerAddress) -> None:
        handler = Recorder()
        with running(handler, broker):
            publish(broker, *messages(1))
            eventually(lambda: len(handler.ids) == 1)
        publish(broker, *messages(5))
        with running(handler, broker):
            eventually(lambda: len(handler.ids) == 6)

    def test_two_processes_on_one_queue_share_its_work(self, broker: BrokerAddress) -> None:
        one, other = Recorder(lambda _: time.sleep(0.01)), Recorder(lambda _: time.sleep(0.01))
        with running(one, broker), running(other, broker) as run:
            eventually(lambda: consumers_of(broker, run.queue) == 2)
            sent = messages(200)
            publish(broker, *sent)
            eventually(lambda: len(one.ids) + len(other.ids) == 200)
        assert sorted(one.ids + other.ids) == sorted(each.id for each in sent)
        assert one.ids
        assert other.ids


class TestAcknowledging:
    def test_no_event_is_acknowledged_before_the_handler_has_returned(self, broker: BrokerAddress) -> None:
        """After a connection is cut in the middle of a batch, the whole batch goes back to the queue."""
        released, sizes = threading.Event(), list[int]()

        def hold(events: Sequence[Any]) -> None:
            sizes.append(len(events))
            assert released.wait(30)

        queue = declare(broker)
        publish(broker, *messages(3))
        handler = Recorder(hold)
        with proxy(broker) as between, running(handler, broker, through=between.address):
            eventually(lambda: sizes)
            assert waiting(broker, queue) == 0
            between.cut()
            eventually(lambda: waiting(broker, queue) == 3)
            released.set()
            eventually(lambda: len(handler.ids) == sizes[0] + 3)
            eventually(lambda: waiting(broker, queue) == 0)

    def test_losing_the_connection_often_dead_letters_no_event_and_keeps_the_order(self, broker: BrokerAddress) -> None:
        """A loss counts as a delivery of every unacknowledged message. RabbitMQ dead-letters after 20 deliveries."""
        declare(broker)
        sent = messages(2000)
        publish(broker, *sent)
        handled: list[str] = []
        # Number of the connection, and number of events handled before the connection is lost.
        goals = {1: 0, 2: 0, 3: 0, 4: 0, 5: 200, 6: 400, 7: 600, 8: 800}
        lost = set()

        def handle(events: Sequence[Any]) -> None:
            if len(handled) >= goals.get(between.accepted, math.inf):
                lost.add(between.accepted)
                between.cut()
            if between.accepted not in lost:
                handled.extend(event.id for event in events)

        with proxy(broker) as between, running(handle, broker, through=between.address):
            eventually(lambda: len(set(handled)) == 2000, 60)
        assert list(dict.fromkeys(handled)) == [each.id for each in sent]
        assert not dead_letters(broker, QUEUE_NAME)

    def test_messages_with_many_attempts_are_taken_in_numbers_that_double(self, broker: BrokerAddress) -> None:
        queue = declare(broker)
        sent = messages(300)
        publish(broker, *sent)
        for _ in range(ATTEMPTS_BEFORE_ISOLATION):
            taken(broker, queue, 300, acknowledge=False)
        handler = Recorder(lambda _: time.sleep(0.02))
        with running(handler, broker):
            eventually(lambda: len(handler.ids) == 300)
        assert [len(batch) for batch in handler.batches][:3] == [1, 2, 4]
        assert max(len(batch) for batch in handler.batches) > 50
        assert not dead_letters(broker, queue)

    def test_a_message_that_is_lost_while_it_is_taken_alone_comes_behind_the_others(
        self, broker: BrokerAddress
    ) -> None:
        """The order is kept through fewer losses, as the test above shows; docs/reliability.md tells this limit."""
        queue = declare(broker)
        sent = messages(20)
        publish(broker, *sent)
        for _ in range(ATTEMPTS_BEFORE_ISOLATION):
            taken(broker, queue, 20, acknowledge=False)
        handled: list[str] = []
        # The first connection finds that the messages must be taken one at a time. The second has one, and is lost.
        isolated = 2

        def handle(events: Sequence[Any]) -> None:
            if between.accepted == isolated:
                between.cut()
            else:
                handled.extend(event.id for event in events)

        with proxy(broker) as between, running(handle, broker, through=between.address):
            eventually(lambda: len(set(handled)) == 20, 60)
        first, *others = (each.id for each in sent)
        assert list(dict.fromkeys(handled)) == [*others, first]
        assert not dead_letters(broker, QUEUE_NAME)

    def test_a_process_killed_in_the_middle_of_a_batch_loses_no_event(
        self, broker: BrokerAddress, tmp_path: Path
    ) -> None:
        declare(broker)
        sent = messages(300)
        publish(broker, *sent)
        with process(broker, tmp_path, "hangs") as killed:
            eventually((tmp_path / "hanging").exists)
            killed.kill()
            killed.wait()
        handler = Recorder()
        with running(handler, broker):
            eventually(lambda: len(set(handler.ids) | set(written(tmp_path / "stored"))) == 300)
        assert set(handler.ids) | set(written(tmp_path / "stored")) == {each.id for each in sent}

    def test_a_handler_that_returns_before_it_has_stored_loses_events(
        self, broker: BrokerAddress, tmp_path: Path
    ) -> None:
        """Negative control: the test above must be able to fail if events are acknowledged first."""
        queue = declare(broker)
        with process(broker, tmp_path, "acknowledges first") as killed:
            for each in messages(20):
                publish(broker, each)
            eventually(lambda: len(written(tmp_path / "seen")) == 20)
            killed.kill()
            killed.wait()
        handler = Recorder()
        with running(handler, broker):
            eventually(lambda: waiting(broker, queue) == 0)
        assert len(set(handler.ids) | set(written(tmp_path / "stored"))) < 20


class TestStopping:
    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
    def test_a_signal_ends_it_with_exit_code_0_and_all_handled_events_are_acknowledged(
        self, number: signal.Signals, broker: BrokerAddress, tmp_path: Path
    ) -> None:
        queue = declare(broker)
        sent = messages(2000)
        publish(broker, *sent)
        with process(broker, tmp_path) as told:
            eventually(lambda: written(tmp_path / "stored"))
            told.send_signal(number)
            assert told.wait(15) == 0
            assert told.stderr
            assert "Traceback" not in told.stderr.read()
        handled = written(tmp_path / "stored")
        assert len(handled) == len(set(handled))
        assert len(handled) + (waiting(broker, queue) or 0) == 2000

    def test_it_stops_while_it_waits_for_a_database(self, broker: BrokerAddress) -> None:
        tries: list[int] = []

        def away(events: Sequence[Any]) -> None:
            tries.append(len(events))
            raise StorageUnavailable("locked")

        with running(Recorder(away), broker) as run:
            publish(broker, message())
            eventually(lambda: len(tries) >= 2)
            before = time.monotonic()
            run.stop.request()
            assert run.ended() is None
            assert time.monotonic() - before < 5
        eventually(lambda: waiting(broker, run.queue) == 1)

    def test_it_stops_while_it_reconnects(self, broker: BrokerAddress, caplog: pytest.LogCaptureFixture) -> None:
        with proxy(broker) as between, running(Recorder(), broker, through=between.address) as run:
            between.close()
            eventually(lambda: "trying again" in caplog.text)
            run.stop.request()
            assert run.ended() is None

    def test_it_stops_while_it_connects_to_a_silent_broker(self, broker: BrokerAddress) -> None:
        with proxy(broker) as between:
            between.silent.set()
            run = Running(Consumer("test", ("#",), opened(Recorder())), between.address)
            eventually(lambda: between.accepted)
            run.stop.request()
            assert run.ended(15) is None

    def test_it_stops_if_the_stop_was_requested_before_the_start(self, broker: BrokerAddress) -> None:
        run = Running(Consumer("test", ("#",), opened(Recorder())), broker)
        run.stop.request()
        assert run.ended() is None


class TestTheQueue:
    def test_a_deleted_binding_is_restored(self, broker: BrokerAddress, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("shared.messaging.runner.REDECLARE_INTERVAL", 0.2)
        recorder = Recorder()
        with running(recorder, broker) as run:
            with channel_to(broker) as channel:
                channel.queue.unbind(run.queue, "market_data", "#")
            eventually(lambda: publish_if_bound(broker))
            eventually(lambda: recorder.batches)

    def test_deleted_exchanges_and_dead_letter_queues_are_declared_again(
        self, broker: BrokerAddress, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("shared.messaging.runner.REDECLARE_INTERVAL", 0.2)
        recorder = Recorder()
        with running(recorder, broker) as run, channel_to(broker) as channel:
            channel.exchange.delete("market_data")
            channel.exchange.delete("market_data.dead")
            channel.queue.delete(f"{run.queue}.dead")
            eventually(lambda: publish_if_bound(broker))
            eventually(lambda: recorder.batches)
            eventually(lambda: waiting(broker, f"{run.queue}.dead") == 0)

    def test_an_exchange_that_returns_with_another_type_stops_the_consumer_with_a_clear_error(
        self, broker: BrokerAddress, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        # Long enough to delete and declare the exchange before the consumer declares it.
        monkeypatch.setattr("shared.messaging.runner.REDECLARE_INTERVAL", 2.0)
        run = Running(Consumer("test", ("#",), opened(Recorder())), broker)
        eventually(lambda: run.error or consumers_of(broker, run.queue))
        with channel_to(broker) as channel:
            channel.exchange.delete("market_data")
            channel.exchange.declare("market_data", "fanout")
        error = run.ended()
        assert isinstance(error, TopologyConflict)
        assert "exchange market_data exists with other arguments" in str(error)

    def test_other_patterns_unbind_no_pattern_of_a_process_that_shares_the_queue(self, broker: BrokerAddress) -> None:
        recorder = Recorder()
        with running(recorder, broker):
            run = Running(Consumer("test", ("#",), opened(recorder)), broker, patterns=["stock.MSFT.price"])
            eventually(lambda: consumers_of(broker, run.queue) == 2)
            publish(broker, message())
            eventually(lambda: recorder.batches)
            run.stop.request()
            assert run.ended() is None

    def test_a_deleted_queue_is_declared_again(self, broker: BrokerAddress) -> None:
        handler = Recorder()
        with running(handler, broker) as run:
            publish(broker, message())
            eventually(lambda: len(handler.ids) == 1)
            with channel_to(broker) as channel:
                channel.queue.delete(run.queue)
            eventually(lambda: consumers_of(broker, run.queue) == 1)
            publish(broker, message())
            eventually(lambda: len(handler.ids) == 2)

    def test_a_deleted_dead_letter_queue_is_declared_again_before_it_is_needed(self, broker: BrokerAddress) -> None:
        with running(Recorder(), broker) as run:
            with channel_to(broker) as channel:
                channel.queue.delete(f"{run.queue}.dead")
            publish(broker, raw_message(b"?"))
            eventually(lambda: waiting(broker, f"{run.queue}.dead") == 1)

    def test_a_transient_queue_is_deleted_with_its_consumer(self, broker: BrokerAddress) -> None:
        handler = Recorder()
        run = Running(Consumer("test", ("#",), opened(handler), transient=True), broker)
        eventually(lambda: publish_if_bound(broker) or run.error)
        eventually(lambda: handler.ids)
        publish(broker, *messages(2))
        run.stop.request()
        assert run.ended() is None
        assert waiting(broker, run.queue) is None
        assert waiting(broker, f"{run.queue}.dead") is None


def publish_if_bound(broker: BrokerAddress) -> int:
    try:
        return publish(broker, message())
    except PublishError:
        return 0


class TestHangingConnections:
    def test_a_silent_connection_is_detected_by_the_heartbeat(self, broker: BrokerAddress) -> None:
        handler = Recorder()
        with proxy(replace(broker, heartbeat=1)) as between, running(handler, broker, through=between.address):
            publish(broker, message())
            eventually(lambda: len(handler.ids) == 1)
            between.silent.set()
            before = time.monotonic()
            eventually(lambda: between.accepted >= 2)
            assert time.monotonic() - before < 5
            between.silent.clear()
            between.cut()
            publish(broker, *messages(5))
            eventually(lambda: len(set(handler.ids)) == 5)
