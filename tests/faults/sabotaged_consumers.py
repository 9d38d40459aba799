"""Sabotaged consumers and publishers, which break a promise: a fault test that passes with them shows nothing."""

import os
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from queue import SimpleQueue
from typing import Any

from amqpstorm import Connection as PlainConnection
from amqpstorm.exception import AMQPError
from sqlalchemy import Engine, event, insert, text
from sqlalchemy.pool import Pool

from consumers.alerts import alerting, handler
from consumers.alerts import store as alerts_store
from consumers.alerts.handler import alerts as real_alerts
from consumers.alerts.tables import alerts as alerts_table
from consumers.history import store as history_store
from consumers.history.handler import history as real_history
from shared.cli import logs
from shared.cli.output import print_lines
from shared.database.engine import opened, writing
from shared.database.sqlite.guard import SqliteGuard
from shared.errors import BrokerUnavailable, OutputError, PublishError, PublishRefused
from shared.events import StockData
from shared.messaging import runner
from shared.messaging.address import BrokerAddress
from shared.messaging.amqp import frames, held_bytes, subscription
from shared.messaging.consumer import Consumer, Handler
from shared.messaging.dead_letters import dead_letter
from shared.messaging.delivery import DeliveryPolicy, Rejected
from shared.messaging.messages import Delivery, Message
from shared.messaging.publisher import Publisher
from shared.messaging.topology import EXCHANGE
from shared.settings import Settings
from shared.times import format_sortable, utc_now
from tests.faults.delivery_log import log_deliveries
from tests.faults.pipeline import RULES

# Seconds between handling and acknowledgement, so that random kills fall in between.
AFTERWARDS = 0.1


def acknowledging_first(consumer: Consumer) -> Consumer:
    """Return the consumer, which now acknowledges a batch at once and handles it afterwards."""

    @contextmanager
    def open_first(settings: Settings) -> Iterator[Handler]:
        todo: SimpleQueue[Sequence[StockData]] = SimpleQueue()
        with consumer.open(settings) as handle:

            def work() -> None:
                while True:
                    events = todo.get()
                    time.sleep(AFTERWARDS)
                    handle(events)

            threading.Thread(target=work, daemon=True).start()
            yield todo.put

    return replace(consumer, open=open_first)


@contextmanager
def open_without_dedupe(settings: Settings) -> Iterator[Handler]:
    """Open history with a table without a key."""
    with opened(settings.history_url.engine_url) as engine:
        _make_table(engine)

        def handle(events: Sequence[StockData]) -> None:
            rows = [
                {
                    "symbol": event.symbol,
                    "as_of": format_sortable(event.as_of),
                    "price": float(event.price),
                    "provider": event.provider,
                }
                for event in events
            ]
            with writing(engine) as connection:
                connection.execute(text("INSERT INTO price_history VALUES (:symbol, :as_of, :price, :provider)"), rows)
            time.sleep(AFTERWARDS)

        yield handle


@contextmanager
def open_without_watermarks(settings: Settings) -> Iterator[Handler]:
    """Open alerts for RULES that keep prices in memory only and never recognize a repeated alert."""
    with real_alerts.open(settings), opened(settings.alerts_url.engine_url) as engine:
        previous: dict[str, StockData] = {}

        def handle(events: Sequence[StockData]) -> None:
            for event in events:
                before = previous.get(event.symbol, event).price
                for name, threshold in RULES.items():
                    if before < threshold <= event.price or before > threshold >= event.price:
                        _insert_alert(engine, name, event)
                previous[event.symbol] = event
            time.sleep(AFTERWARDS)

        yield handle


@contextmanager
def open_named_by_event_id(settings: Settings) -> Iterator[Handler]:
    """Open alerts whose ids depend on the rule and on nothing that an event says, as if all events had one id."""
    alerting.stock_data_id = alerts_store.stock_data_id = lambda *_: "one"
    with real_alerts.open(settings) as handler:
        yield handler


@contextmanager
def open_without_flushing(settings: Settings) -> Iterator[Handler]:
    """Open history with WAL and `synchronous=NORMAL`, a common setting that does not flush commits to disk."""

    def hurry(connection: Any, *_: object) -> None:
        connection.execute("PRAGMA synchronous=NORMAL")

    event.listen(Pool, "checkout", hurry)
    with real_history.open(settings) as handler:
        yield handler


def decode_without_clock(delivery: Delivery, _now: datetime) -> StockData:
    """Decode an event whose `time` may be any time."""
    return StockData.decode(delivery.body, datetime.max.replace(tzinfo=UTC))


@contextmanager
def open_without_horizon(settings: Settings) -> Iterator[Handler]:
    """Open history in a process that never replaces a price because of the time of its observation."""
    history_store.CLOCK_TOLERANCE = datetime.max.replace(tzinfo=UTC) - utc_now() - timedelta(hours=1)
    with real_history.open(settings) as handler:
        yield handler


@contextmanager
def open_holding_everything(settings: Settings) -> Iterator[Handler]:
    """Open history in a process that keeps bodies of any size, and any number of bytes."""
    subscription.MAX_BODY = held_bytes.MAX_HELD = frames.MAX_BATCH = sys.maxsize
    with real_history.open(settings) as handler:
        yield handler


def unguarded(consumer: Consumer) -> Consumer:
    """Return the consumer, which now never checks if its database's file is still the one that it opened."""

    @contextmanager
    def open_unguarded(settings: Settings) -> Iterator[Handler]:
        SqliteGuard.check = lambda self: None  # type: ignore[method-assign]
        with consumer.open(settings) as handler:
            yield handler

    return replace(consumer, open=open_unguarded)


def _make_table(engine: Engine) -> None:
    with writing(engine) as connection:
        connection.execute(
            text("CREATE TABLE IF NOT EXISTS price_history (symbol TEXT, as_of TEXT, price REAL, provider TEXT)")
        )


def _insert_alert(engine: Engine, rule: str, event: StockData) -> None:
    values = {
        "rule_id": time.monotonic_ns(),
        "rule_name": rule,
        "condition": "crossing",
        "symbol": event.symbol,
        "price": event.price,
        "threshold": RULES[rule],
        "as_of": event.as_of,
        "triggered_at": utc_now(),
        "event_id": event.id,
        "provider": event.provider,
        "interval": "",
        "revision": 1,
        "state": "firing",
        "terms": f"* crossing {RULES[rule]}",
        "message": "",
        "silenced": False,
    }
    with writing(engine) as connection:
        connection.execute(insert(alerts_table).values(values))


history_acknowledging_first = log_deliveries(acknowledging_first(real_history))
alerts_acknowledging_first = log_deliveries(acknowledging_first(real_alerts))
history_without_dedupe = log_deliveries(replace(real_history, open=open_without_dedupe))
history_not_flushed = log_deliveries(replace(real_history, open=open_without_flushing))
history_holding_everything = log_deliveries(replace(real_history, open=open_holding_everything))
history_without_clock = log_deliveries(replace(real_history, decode=decode_without_clock, open=open_without_horizon))
alerts_named_by_event_id = log_deliveries(replace(real_alerts, open=open_named_by_event_id))
alerts_without_watermarks = log_deliveries(replace(real_alerts, open=open_without_watermarks))
history_unguarded = log_deliveries(unguarded(real_history))
alerts_unguarded = log_deliveries(unguarded(real_alerts))
alerts_all_at_once = log_deliveries(replace(real_alerts, single_active=False))


class UnconfirmedPublisher:
    """A publisher on amqpstorm without confirms: everything written to the socket counts as published."""

    def __init__(self, address: BrokerAddress, *, persistent: bool = True) -> None:
        self._address = address
        self._persistent = persistent
        self._connection: PlainConnection | None = None

    def publish(self, messages: Iterable[Message]) -> int:
        """Publish messages and return their number. Raises BrokerUnavailable if the socket is broken."""
        count = 0
        try:
            channel = self._channel()
            for message in messages:
                properties = dict(message.properties)
                properties["message_type"] = properties.pop("type")
                properties["delivery_mode"] = 2 if self._persistent else 1
                channel.basic.publish(message.body, message.routing_key, EXCHANGE, properties)
                count += 1
        except AMQPError as error:
            self.give_up()
            raise BrokerUnavailable(str(error)) from error
        return count

    def give_up(self) -> None:
        """Drop a broken connection, whose own `close` may wait for long."""
        if self._connection is not None:
            self._connection.heartbeat.stop()
            self._connection._io.close()
            self._connection = None

    def _channel(self):  # type: ignore[no-untyped-def]
        if self._connection is None or not self._connection.is_open:
            self.give_up()
            address = self._address
            self._connection = PlainConnection(
                address.host,
                address.username,
                address.password,
                address.port,
                virtual_host=address.virtual_host,
                heartbeat=2,
                lazy=True,
            )
            self._connection.open()
            self._plain = self._connection.channel()
        return self._plain


@contextmanager
def open_with_raw_log(settings: Settings) -> Iterator[Handler]:
    """Open history in a process that logs text from outside as it is."""
    logs.escape = str
    with real_history.open(settings) as handle:
        yield handle


history_with_raw_log = replace(real_history, open=open_with_raw_log)


@contextmanager
def open_printing_first(settings: Settings) -> Iterator[Handler]:
    """Open alerts, which now end with the first alert that cannot be printed."""
    handler.print_lines = _print_or_end
    with real_alerts.open(settings) as handle:
        yield handle


def _print_or_end(*lines: str) -> None:
    try:
        print_lines(*lines)
    except OutputError:
        os._exit(1)


alerts_that_must_be_printed = log_deliveries(replace(real_alerts, open=open_printing_first))


class RepeatingPublisher(Publisher):
    """Takes a refused permission for an error that passes."""

    def publish(self, messages: Iterable[Message]) -> int:
        try:
            return super().publish(messages)
        except PublishRefused as error:
            raise PublishError(error.failures) from error


class DroppingPolicy(DeliveryPolicy):
    """Acknowledges an invalid message even if RabbitMQ refuses its dead letter."""

    def _dead_letter(self, rejected: Sequence[Rejected], subscription: subscription.Subscription) -> None:
        with suppress(PublishRefused):
            self._publisher.publish(
                dead_letter(delivery, self._queue, reason, utc_now()) for delivery, reason in rejected
            )
        self._log_rejected(rejected)
        subscription.acknowledge_each([delivery for delivery, _ in rejected])


@contextmanager
def open_dropping_dead_letters(settings: Settings) -> Iterator[Handler]:
    """Open history in a process that drops what it cannot dead-letter."""
    runner.DeliveryPolicy = DroppingPolicy  # type: ignore[misc]
    with real_history.open(settings) as handle:
        yield handle


history_dropping_dead_letters = replace(real_history, open=open_dropping_dead_letters)


@contextmanager
def open_repeating_refusals(settings: Settings) -> Iterator[Handler]:
    """Open alerts, which now publish again and again what RabbitMQ refuses."""
    handler.Publisher = RepeatingPublisher  # type: ignore[misc]
    with real_alerts.open(settings) as handle:
        yield handle


alerts_that_repeat_refusals = replace(real_alerts, open=open_repeating_refusals)


@contextmanager
def without_confirms(address: BrokerAddress) -> Iterator[UnconfirmedPublisher]:
    publisher = UnconfirmedPublisher(address)
    yield publisher
    if publisher._connection is not None:
        publisher._connection.close()
