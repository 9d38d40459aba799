import signal
import struct
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from pamqp import commands
from pamqp import frame as pamqp_frame

from infra.broker import PrivateBroker
from shared.errors import BrokerRefused, BrokerUnavailable, InvalidEvent, PublishError, StorageError, StorageUnavailable
from shared.messaging import policy
from shared.messaging.address import BrokerAddress
from shared.messaging.consumer import Consumer
from shared.messaging.dead_letters import DIED_AT, QUEUE, REASON, ROUTING_KEY, reason_of
from shared.messaging.message import Delivery
from shared.messaging.publisher import Publisher
from shared.settings import ROOT
from tests.factories import AS_OF, message, messages, raw_message, stock_body, stock_data
from tests.harness import (
    Recorder,
    Running,
    channel_to,
    consumers_of,
    dead_letters,
    declare,
    eventually,
    proxy,
    publish,
    running,
    waiting,
)

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
owed = []

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
    owed.extend(events)
    write("seen", events)
    if len(owed) >= 1000:
        write("stored", owed)

with stop_on_signals() as stop:
    chosen = acknowledges_first if way == "acknowledges first" else stores_first
    run_consumer(chosen, replace(Settings(), amqp_url=BrokerAddress.parse(url)), stop)
"""


@contextmanager
def process(broker: BrokerAddress, folder: Path, way: str = "stores first") -> Iterator[subprocess.Popen[str]]:
    """A consumer as a process of its own, which writes the ids it has handled to `folder`/stored."""
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

    def test_one_reaches_it_by_itself_without_waiting_for_a_batch(self, broker: BrokerAddress) -> None:
        handler = Recorder()
        with running(handler, broker):
            publish(broker, message())
            eventually(lambda: handler.batches, timeout=5)
        assert [len(batch) for batch in handler.batches] == [1]

    def test_a_backlog_comes_in_batches(self, broker: BrokerAddress) -> None:
        queue = declare(broker)
        sent = messages(3000)
        publish(broker, *sent)
        handler = Recorder()
        with running(handler, broker):
            eventually(lambda: len(handler.ids) == 3000)
        assert handler.ids == [each.id for each in sent]
        assert max(len(batch) for batch in handler.batches) > 50
        assert waiting(broker, queue) == 0

    def test_what_came_while_it_was_away_is_caught_up_with(self, broker: BrokerAddress) -> None:
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
    def test_nothing_is_acknowledged_before_the_handler_has_returned(self, broker: BrokerAddress) -> None:
        """A connection that is cut in the middle of a batch gives all of it back to the queue."""
        let_go, entered = threading.Event(), threading.Event()

        def hold(_events: Sequence[Any]) -> None:
            entered.set()
            assert let_go.wait(30)

        queue = declare(broker)
        publish(broker, *messages(3))
        handler = Recorder(hold)
        with proxy(broker) as between, running(handler, broker, through=between.address):
            assert entered.wait(10)
            assert waiting(broker, queue) == 0
            between.cut()
            eventually(lambda: waiting(broker, queue) == 3)
            let_go.set()
            eventually(lambda: len(handler.ids) >= 6)
            eventually(lambda: waiting(broker, queue) == 0)

    def test_a_process_killed_in_the_middle_of_a_batch_loses_nothing(
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
        """The control: what the test above would see if the acknowledgement came first."""
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
    def test_a_signal_ends_it_with_0_and_all_that_was_handled_is_acknowledged(
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
        def away(_events: Sequence[Any]) -> None:
            raise StorageUnavailable("locked")

        with running(Recorder(away), broker) as run:
            publish(broker, message())
            time.sleep(0.5)
            before = time.monotonic()
            run.stop.request()
            assert run.ended() is None
            assert time.monotonic() - before < 5
        eventually(lambda: waiting(broker, run.queue) == 1)

    def test_it_stops_while_it_looks_for_a_broker(self, broker: BrokerAddress) -> None:
        with proxy(broker) as between, running(Recorder(), broker, through=between.address) as run:
            between.close()
            time.sleep(0.5)
            run.stop.request()
            assert run.ended() is None

    def test_a_stop_that_was_asked_for_before_the_start_is_heard(self, broker: BrokerAddress) -> None:
        run = Running(Consumer("test", ("#",), opened(Recorder())), broker)
        run.stop.request()
        assert run.ended() is None


def opened(handler: Any) -> Any:
    @contextmanager
    def give(_settings: Any) -> Iterator[Any]:
        yield handler

    return give


def publish_nested(broker: BrokerAddress, depth: int) -> None:
    """A message whose one header is a table in a table in a table, as no library would write it."""

    def table(value: bytes) -> bytes:
        return struct.pack(">I", len(value) + 2) + b"\x01k" + value

    value = b"V"
    for _ in range(depth):
        value = b"F" + table(value)
    with channel_to(broker) as channel:
        channel.rpc_request(commands.Confirm.Select())
        header = struct.pack(">HHQH", 60, 0, 1, 1 << 13) + table(value)
        frames = pamqp_frame.marshal(commands.Basic.Publish(exchange="", routing_key=QUEUE_NAME), channel.channel_id)
        for kind, payload in ((2, header), (3, b"?")):
            frames += struct.pack(">BHI", kind, channel.channel_id, len(payload)) + payload + b"\xce"
        channel._connection._io.write_to_socket(frames)
        # Whatever is answered next is answered after it.
        channel.queue.declare(QUEUE_NAME, passive=True)


class TestInvalidEvents:
    def test_they_are_set_aside_with_the_reason_and_their_neighbours_are_handled(self, broker: BrokerAddress) -> None:
        bodies = {
            "empty body": b"",
            "not JSON": b"AAPL 1",
            "not UTF-8": b"\xff\xfe",
            "not a JSON object": b"[]",
            "specversion": b"{}",
            "price is missing": stock_body(price=None),
            "is negative": stock_body(price="-1"),
            "must be a decimal string": stock_body(price=1.5),
            "no JSON number": stock_body(price=float("nan")),
            "15 significant digits": stock_body(price="9" * 16),
            "is not a time": stock_body(as_of="2024-11-20T09:59:58"),
            "in the future": stock_body(as_of="2999-01-01T00:00:00Z"),
            "is not 1-32 characters": stock_body(symbol="aapl"),
            "over 64 KiB": stock_body(note="x" * 65536),
        }
        good = [message(stock_data("MSFT", as_of=AS_OF.replace(minute=minute))) for minute in range(len(bodies) + 1)]
        queue = declare(broker)
        for number, body in enumerate(bodies.values()):
            publish(broker, good[number], raw_message(body, message_id=f"bad-{number}"))
        publish(broker, good[-1])
        handler = Recorder()
        with running(handler, broker):
            eventually(lambda: len(handler.ids) == len(good))
            eventually(lambda: waiting(broker, f"{queue}.dead") == len(bodies))
        assert handler.ids == [each.id for each in good]
        assert waiting(broker, queue) == 0
        dead = dead_letters(broker, queue)
        for number, (delivery, (reason, body)) in enumerate(zip(dead, bodies.items(), strict=True)):
            assert reason in reason_of(delivery)
            assert delivery.body == body
            assert delivery.properties["message_id"] == f"bad-{number}"
            assert delivery.headers[QUEUE] == queue
            assert delivery.headers[ROUTING_KEY] == "stock.AAPL.price"
            assert delivery.headers[DIED_AT].endswith("Z")

    def test_foreign_properties_do_not_matter(self, broker: BrokerAddress) -> None:
        """Whoever publishes may send any properties, or none."""
        queue = declare(broker)
        strange = [
            {},
            {
                "headers": {
                    "x": None,
                    "list": [1, "a", {"b": 2.5}],
                    "when": AS_OF,
                    "big": 2**60,
                    "bytes": bytearray(b"\xff"),
                }
            },
            {"message_id": "i" * 255, "type": "?", "content_type": "text/plain", "correlation_id": "c", "priority": 9},
            {"timestamp": AS_OF.replace(year=1970, hour=0), "delivery_mode": 1, "expiration": "60000"},
            {"headers": {REASON: 5, "x-death": "none", "x-delivery-count": "many"}, "reply_to": "somebody"},
        ]
        with running(Recorder(), broker):
            for properties in strange:
                publish(broker, replace(raw_message(b"?"), properties=properties))
            eventually(lambda: waiting(broker, f"{queue}.dead") == len(strange))
        assert {reason_of(delivery)[:8] for delivery in dead_letters(broker, queue)} == {"not JSON"}

    def test_headers_nested_to_any_depth_do_not_matter(self, broker: BrokerAddress) -> None:
        """They end neither the connection that reads them nor the publisher that sends them on."""
        queue = declare(broker)
        depths = [1, 50, *range(100, 360, 10), 400, 5000]
        with running(Recorder(), broker) as run:
            for depth in depths:
                publish_nested(broker, depth)
            eventually(lambda: not run.alive or waiting(broker, f"{queue}.dead") == len(depths))
        dead = dead_letters(broker, queue)
        assert len(dead) == len(depths)
        assert {reason_of(delivery)[:8] for delivery in dead} == {"not JSON"}

    def test_a_handler_may_reject_an_event_that_decoded(self, broker: BrokerAddress) -> None:
        def choosy(events: Sequence[Any]) -> None:
            if any(event.symbol == "MSFT" for event in events):
                raise InvalidEvent("no MSFT here")

        queue = declare(broker)
        good, bad = messages(5), message(stock_data("MSFT"))
        publish(broker, *good[:2], bad, *good[2:])
        handler = Recorder(choosy)
        with running(handler, broker):
            eventually(lambda: waiting(broker, f"{queue}.dead") == 1)
            eventually(lambda: len(handler.ids) == 5)
        assert [reason_of(delivery) for delivery in dead_letters(broker, queue)] == ["no MSFT here"]

    def test_a_decoder_that_fails_in_another_way_sets_the_event_aside_too(self, broker: BrokerAddress) -> None:
        """A consumer of somebody's own must not die of one message, again and again."""

        def careless(delivery: Delivery, _now: datetime) -> Any:
            return {"AAPL": delivery}[delivery.routing_key.split(".")[1]]

        queue = declare(broker)
        bad = message(stock_data("MSFT"))
        publish(broker, message(), bad, message(stock_data(price="188")))
        seen: list[Any] = []
        with running(Consumer("test", ("#",), opened(seen.extend), decode=careless), broker):
            eventually(lambda: waiting(broker, f"{queue}.dead") == 1)
            eventually(lambda: len(seen) == 2)
        (dead,) = dead_letters(broker, queue)
        assert dead.properties["message_id"] == bad.id
        assert "KeyError: 'MSFT'" in reason_of(dead)


class TestFailingHandlers:
    @pytest.fixture(autouse=True)
    def _quick(self, monkeypatch: pytest.MonkeyPatch) -> None:
        class Soon(policy.Backoff):
            def next(self) -> float:
                return min(super().next(), 0.02)

        monkeypatch.setattr(policy, "Backoff", Soon)

    def test_one_event_that_always_fails_is_set_aside_alone_after_5_tries(self, broker: BrokerAddress) -> None:
        tries: Counter[str] = Counter()

        def fail(events: Sequence[Any]) -> None:
            if len(events) == 1:
                tries[events[0].symbol] += 1
            if any(event.symbol == "MSFT" for event in events):
                raise KeyError("no such rule")

        queue = declare(broker)
        good, bad = messages(10), message(stock_data("MSFT"))
        publish(broker, *good[:5], bad, *good[5:])
        handler = Recorder(fail)
        with running(handler, broker):
            eventually(lambda: waiting(broker, f"{queue}.dead") == 1)
            eventually(lambda: len(handler.ids) == 10)
        assert handler.ids == [each.id for each in good]
        assert tries["MSFT"] == policy.MAX_ATTEMPTS
        (dead,) = dead_letters(broker, queue)
        assert dead.properties["message_id"] == bad.id
        assert reason_of(dead) == "the handler failed: KeyError: 'no such rule'"
        assert waiting(broker, queue) == 0

    def test_an_event_that_fails_twice_is_handled_the_third_time(self, broker: BrokerAddress) -> None:
        failures = iter([ValueError("once"), ValueError("twice")])

        def stumble(_events: Sequence[Any]) -> None:
            for error in failures:
                raise error

        queue = declare(broker)
        handler = Recorder(stumble)
        with running(handler, broker):
            publish(broker, message())
            eventually(lambda: handler.ids == [message().id])
        assert waiting(broker, f"{queue}.dead") == 0

    @pytest.mark.parametrize("error", [StorageUnavailable("locked"), BrokerUnavailable("away")])
    def test_a_batch_waits_for_what_is_away_however_often_it_fails(
        self, error: Exception, broker: BrokerAddress
    ) -> None:
        calls: list[int] = []

        def away(events: Sequence[Any]) -> None:
            calls.append(len(events))
            if len(calls) <= 2 * policy.MAX_ATTEMPTS:
                raise error

        queue = declare(broker)
        sent = messages(20)
        publish(broker, *sent)
        handler = Recorder(away)
        with running(handler, broker):
            eventually(lambda: len(handler.ids) == 20)
        assert handler.ids == [each.id for each in sent]
        assert len(set(calls[: 2 * policy.MAX_ATTEMPTS + 1])) == 1
        assert (waiting(broker, queue), waiting(broker, f"{queue}.dead")) == (0, 0)

    def test_a_database_that_cannot_be_used_ends_it_and_the_events_wait(self, broker: BrokerAddress) -> None:
        def broken(_events: Sequence[Any]) -> None:
            raise StorageError("database is read-only")

        queue = declare(broker)
        publish(broker, *messages(3))
        run = Running(Consumer("test", ("#",), opened(Recorder(broken))), broker)
        assert str(run.ended()) == "database is read-only"
        eventually(lambda: waiting(broker, queue) == 3)


class TestTheQueue:
    def test_it_is_declared_again_when_it_is_deleted_under_the_consumer(self, broker: BrokerAddress) -> None:
        handler = Recorder()
        with running(handler, broker) as run:
            publish(broker, message())
            eventually(lambda: len(handler.ids) == 1)
            with channel_to(broker) as channel:
                channel.queue.delete(run.queue)
            eventually(lambda: consumers_of(broker, run.queue) == 1)
            publish(broker, message())
            eventually(lambda: len(handler.ids) == 2)

    def test_its_dead_letters_are_declared_again_when_they_are_deleted(self, broker: BrokerAddress) -> None:
        with running(Recorder(), broker) as run:
            with channel_to(broker) as channel:
                channel.queue.delete(f"{run.queue}.dead")
            publish(broker, raw_message(b"?"))
            eventually(lambda: waiting(broker, f"{run.queue}.dead") == 1)

    def test_a_transient_one_goes_with_its_consumer(self, broker: BrokerAddress) -> None:
        handler = Recorder()
        run = Running(Consumer("test", ("#",), opened(handler), transient=True), broker)
        eventually(lambda: publish_if_heard(broker) or run.error)
        eventually(lambda: handler.ids)
        publish(broker, *messages(2))
        run.stop.request()
        assert run.ended() is None
        assert waiting(broker, run.queue) is None
        assert waiting(broker, f"{run.queue}.dead") is None


def publish_if_heard(broker: BrokerAddress) -> int:
    try:
        return publish(broker, message())
    except PublishError:
        return 0


@pytest.fixture(scope="module")
def _users(rabbitmq: PrivateBroker) -> None:
    add = "rabbit_auth_backend_internal:add_user(U, U, <<>>)"
    may = 'rabbit_auth_backend_internal:set_permissions(U, <<"/">>, C, C, <<"^$">>, <<>>)'
    users = '[{<<"powerless">>, <<"^$">>}, {<<"deaf">>, <<".*">>}]'
    rabbitmq.rabbitmqctl("eval", f"[begin {add}, {may} end || {{U, C}} <- {users}].")


class TestAccess:
    @pytest.mark.usefixtures("_users")
    @pytest.mark.parametrize("user", ["powerless", "deaf"])
    def test_a_user_without_the_permissions_is_refused_in_one_line(self, user: str, rabbitmq: PrivateBroker) -> None:
        """And not connected again and again, which no waiting would help."""
        run = Running(
            Consumer("test", ("#",), opened(Recorder())), replace(rabbitmq.address, username=user, password=user)
        )
        try:
            error = run.ended(5)
        finally:
            run.stop.request()
        assert isinstance(error, BrokerRefused)
        assert f"'{user}'" in str(error)
        assert "permission" in str(error)
        assert "\n" not in str(error)


class TestHangingConnections:
    def test_a_connection_that_falls_silent_is_noticed_within_the_heartbeat(self, broker: BrokerAddress) -> None:
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
