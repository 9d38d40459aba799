import hashlib
import struct
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest
from pamqp import commands
from pamqp import frame as pamqp_frame

from shared.errors import BrokerUnavailable, InvalidEvent, PublishError, StorageError, StorageUnavailable
from shared.events import MAX_BODY
from shared.messaging import delivery as policy
from shared.messaging.address import BrokerAddress
from shared.messaging.consumer import Consumer
from shared.messaging.dead_letters import DIED_AT, QUEUE, REASON, ROUTING_KEY, describe_death, dropped_body
from shared.messaging.delivery import MAX_REJECTED
from shared.messaging.messages import Delivery, DroppedBody, Message
from shared.messaging.publisher import Publisher
from tests.consumer_thread import Recorder, Running, opened, running
from tests.event_factories import AS_OF, message, messages, raw_message, stock_body, stock_data
from tests.polling import eventually
from tests.queues import channel_to, dead_letters, declare, publish, publish_large, waiting

QUEUE_NAME = "stockwire.test"


def publish_nested(broker: BrokerAddress, depth: int) -> None:
    """Publish a message with one header, a table nested to `depth`. pamqp cannot encode deep tables."""

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
        # RabbitMQ answers this declaration after it has taken the message.
        channel.queue.declare(QUEUE_NAME, passive=True)


def publish_with_headers(broker: BrokerAddress, headers: dict[str, Any]) -> None:
    """Publish a message that is not an event, with headers that may hold doubles. pamqp encodes single floats only."""
    table = b"".join(
        bytes([len(name)])
        + name.encode()
        + (
            b"d" + struct.pack(">d", value)
            if isinstance(value, float)
            else b"S" + struct.pack(">I", len(value)) + value.encode()
        )
        for name, value in headers.items()
    )
    properties = struct.pack(">H", 0x2000) + struct.pack(">I", len(table)) + table
    header = struct.pack(">HHQ", 60, 0, 1) + properties
    with channel_to(broker) as channel:
        number = int(channel)
        method = pamqp_frame.marshal(
            commands.Basic.Publish(exchange="market_data", routing_key="stock.X.price"), number
        )
        content = struct.pack(">BHI", 2, number, len(header)) + header + b"\xce"
        body = struct.pack(">BHI", 3, number, 1) + b"?" + b"\xce"
        channel._connection._io.write_to_socket(method + content + body)


class TestInvalidEvents:
    def test_they_are_dead_lettered_with_the_reason_and_valid_events_are_handled(self, broker: BrokerAddress) -> None:
        bodies = {
            "empty body": b"",
            "not JSON": b"AAPL 1",
            "not UTF-8": b"\xff\xfe",
            "not a JSON object": b"[]",
            "specversion": b"{}",
            "price is missing": stock_body(price=None),
            "is negative": stock_body(price="-1"),
            "must be a decimal string": stock_body(price=1.5),
            "not a JSON number": stock_body(price=float("nan")),
            "15 significant digits": stock_body(price="9" * 16),
            "is not a time": stock_body(as_of="2024-11-20T09:59:58"),
            "in the future": stock_body(as_of="2999-01-01T00:00:00Z"),
            "is not 1-32 characters": stock_body(symbol="aapl"),
            "over 64 KiB": stock_body(note="x" * 65536),
        }
        good = [message(stock_data("MSFT", as_of=AS_OF.replace(minute=minute))) for minute in range(len(bodies) + 1)]
        queue = declare(broker)
        for number, body in enumerate(bodies.values()):
            publish_large(broker, good[number], raw_message(body, message_id=f"bad-{number}"))
        publish(broker, good[-1])
        handler = Recorder()
        with running(handler, broker):
            eventually(lambda: len(handler.ids) == len(good))
            eventually(lambda: waiting(broker, f"{queue}.dead") == len(bodies))
        assert handler.ids == [each.id for each in good]
        assert waiting(broker, queue) == 0
        dead = dead_letters(broker, queue)
        for number, (delivery, (reason, body)) in enumerate(zip(dead, bodies.items(), strict=True)):
            assert reason in describe_death(delivery).reason
            if len(body) <= MAX_BODY:
                assert (delivery.body, dropped_body(delivery)) == (body, None)
            else:
                digest = hashlib.sha256(body).hexdigest()
                assert (delivery.body, dropped_body(delivery)) == (b"", DroppedBody(len(body), digest))
            assert delivery.properties["message_id"] == f"bad-{number}"
            assert delivery.headers[QUEUE] == queue
            assert delivery.headers[ROUTING_KEY] == "stock.AAPL.price"
            assert delivery.headers[DIED_AT].endswith("Z")

    def test_no_delivery_is_acknowledged_before_its_dead_letter_is_confirmed(
        self, broker: BrokerAddress, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The first attempt to dead-letter fails after some confirms, so that all deliveries come again."""
        queue = declare(broker)
        publish(broker, *(raw_message(b"?", message_id=str(number)) for number in range(700)), message())
        real_publish = Publisher.publish
        failures = iter([PublishError({"5": "no answer"})])

        def fail_once(publisher: Publisher, sent: Iterable[Message]) -> int:
            published = real_publish(publisher, sent)
            for error in failures:
                raise error
            return published

        monkeypatch.setattr(Publisher, "publish", fail_once)
        handler = Recorder()
        with running(handler, broker):
            eventually(lambda: handler.ids == [message().id])
            eventually(lambda: waiting(broker, queue) == 0)
        dead = Counter(each.id for each in dead_letters(broker, queue, 2000))
        assert dead.keys() == {str(number) for number in range(700)}
        # RabbitMQ had confirmed some before the failure, as many as had arrived together.
        again = [each for each, times in dead.items() if times == 2]
        assert 0 < len(again) <= MAX_REJECTED
        assert sum(dead.values()) == 700 + len(again)

    def test_the_log_names_the_first_rejected_messages_and_counts_the_others(
        self, broker: BrokerAddress, caplog: pytest.LogCaptureFixture
    ) -> None:
        queue = declare(broker)
        publish(broker, *(raw_message(b"?", message_id=str(number)) for number in range(100)))
        with running(Recorder(), broker):
            eventually(lambda: waiting(broker, f"{queue}.dead") == 100)
        lines = [each.getMessage() for each in caplog.records if "dead-lettered" in each.getMessage()]
        assert lines[0].startswith("dead-lettered 0 of stock.AAPL.price: not JSON")
        counted = sum(int(line.split()[1]) for line in lines if line.endswith("more at the same time"))
        assert counted + sum("not JSON" in line for line in lines) == 100

    def test_any_properties_are_accepted(self, broker: BrokerAddress) -> None:
        """Other publishers may send any properties, or an empty set of properties."""
        queue = declare(broker)
        property_sets = [
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
            for properties in property_sets:
                publish(broker, replace(raw_message(b"?"), properties=properties))
            eventually(lambda: waiting(broker, f"{queue}.dead") == len(property_sets))
        assert {describe_death(delivery).reason[:8] for delivery in dead_letters(broker, queue)} == {"not JSON"}

    def test_headers_nested_to_any_depth_are_accepted(self, broker: BrokerAddress) -> None:
        """Deep headers end neither the connection that reads them nor the publisher of the dead letter."""
        queue = declare(broker)
        depths = [1, 50, *range(100, 360, 10), 400, 5000]
        with running(Recorder(), broker) as run:
            for depth in depths:
                publish_nested(broker, depth)
            eventually(lambda: not run.alive or waiting(broker, f"{queue}.dead") == len(depths))
        dead = dead_letters(broker, queue)
        assert len(dead) == len(depths)
        assert {describe_death(delivery).reason[:8] for delivery in dead} == {"not JSON"}

    def test_a_handler_may_reject_a_decoded_event(self, broker: BrokerAddress) -> None:
        def reject_msft(events: Sequence[Any]) -> None:
            if any(event.symbol == "MSFT" for event in events):
                raise InvalidEvent("no MSFT here")

        queue = declare(broker)
        good, bad = messages(5), message(stock_data("MSFT"))
        publish(broker, *good[:2], bad, *good[2:])
        handler = Recorder(reject_msft)
        with running(handler, broker):
            eventually(lambda: waiting(broker, f"{queue}.dead") == 1)
            eventually(lambda: len(handler.ids) == 5)
        assert [describe_death(delivery).reason for delivery in dead_letters(broker, queue)] == ["no MSFT here"]

    def test_an_event_is_dead_lettered_after_any_error_of_its_decoder(self, broker: BrokerAddress) -> None:
        """A custom decoder may have bugs. One message must not crash the consumer again and again."""

        def naive_decode(delivery: Delivery, _now: datetime) -> Any:
            return {"AAPL": delivery}[delivery.routing_key.split(".")[1]]

        queue = declare(broker)
        bad = message(stock_data("MSFT"))
        publish(broker, message(), bad, message(stock_data(price="188")))
        seen: list[Any] = []
        with running(Consumer("test", ("#",), opened(seen.extend), decode=naive_decode), broker):
            eventually(lambda: waiting(broker, f"{queue}.dead") == 1)
            eventually(lambda: len(seen) == 2)
        (dead,) = dead_letters(broker, queue)
        assert dead.properties["message_id"] == bad.id
        assert "KeyError: 'MSFT'" in describe_death(dead).reason


class TestHeaders:
    @pytest.mark.parametrize("headers", [{"number": 1e300}, {f"header-{index}": "x" * 1000 for index in range(120)}])
    def test_an_event_is_dead_lettered_without_headers_that_cannot_be_encoded(
        self, broker: BrokerAddress, headers: dict[str, Any]
    ) -> None:
        """A float this large cannot be encoded by pamqp, and RabbitMQ does not accept headers larger than a frame."""
        recorder = Recorder()
        with running(recorder, broker) as run:
            publish_with_headers(broker, headers)
            publish(broker, message())
            eventually(lambda: recorder.batches)
            [dead] = eventually(lambda: dead_letters(broker, run.queue))
        assert "not JSON" in describe_death(dead).reason


class TestFailingHandlers:
    @pytest.fixture(autouse=True)
    def _quick(self, monkeypatch: pytest.MonkeyPatch) -> None:
        class FakeBackoff(policy.Backoff):
            def next_delay(self) -> float:
                return min(super().next_delay(), 0.02)

        monkeypatch.setattr(policy, "Backoff", FakeBackoff)

    def test_only_the_event_that_always_fails_is_dead_lettered_after_5_attempts(self, broker: BrokerAddress) -> None:
        attempts: Counter[str] = Counter()

        def fail(events: Sequence[Any]) -> None:
            if len(events) == 1:
                attempts[events[0].symbol] += 1
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
        assert attempts["MSFT"] == policy.MAX_ATTEMPTS
        (dead,) = dead_letters(broker, queue)
        assert dead.properties["message_id"] == bad.id
        assert describe_death(dead).reason == "the handler failed: KeyError: 'no such rule'"
        assert waiting(broker, queue) == 0

    def test_an_event_that_fails_twice_is_handled_at_the_third_attempt(self, broker: BrokerAddress) -> None:
        failures = iter([ValueError("once"), ValueError("twice")])

        def fail_twice(_events: Sequence[Any]) -> None:
            for error in failures:
                raise error

        queue = declare(broker)
        handler = Recorder(fail_twice)
        with running(handler, broker):
            publish(broker, message())
            eventually(lambda: handler.ids == [message().id])
        assert waiting(broker, f"{queue}.dead") == 0

    @pytest.mark.parametrize("error", [StorageUnavailable("locked"), BrokerUnavailable("away")])
    def test_a_batch_waits_for_an_unavailable_database_or_broker_however_often_it_fails(
        self, error: Exception, broker: BrokerAddress
    ) -> None:
        calls: list[int] = []

        def fail_ten_times(events: Sequence[Any]) -> None:
            calls.append(len(events))
            if len(calls) <= 2 * policy.MAX_ATTEMPTS:
                raise error

        queue = declare(broker)
        sent = messages(20)
        publish(broker, *sent)
        handler = Recorder(fail_ten_times)
        with running(handler, broker):
            eventually(lambda: len(handler.ids) == 20)
        assert handler.ids == [each.id for each in sent]
        assert len(set(calls[: 2 * policy.MAX_ATTEMPTS + 1])) == 1
        assert (waiting(broker, queue), waiting(broker, f"{queue}.dead")) == (0, 0)

    def test_an_unusable_database_stops_the_consumer_and_the_events_stay_queued(self, broker: BrokerAddress) -> None:
        def fail_permanently(_events: Sequence[Any]) -> None:
            raise StorageError("database is read-only")

        queue = declare(broker)
        publish(broker, *messages(3))
        run = Running(Consumer("test", ("#",), opened(Recorder(fail_permanently))), broker)
        assert str(run.ended()) == "database is read-only"
        eventually(lambda: waiting(broker, queue) == 3)
