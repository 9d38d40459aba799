"""The consumer `alerts`: evaluate rules on prices, store the alerts, then print and publish each alert once."""

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime

from sqlalchemy import Connection, Engine

from consumers.alerts.conditions.registry import operators
from consumers.alerts.engine import RuleIndex, make_alert
from consumers.alerts.outbox import Publish, relay_pending_alerts
from consumers.alerts.rules.models import Condition
from consumers.alerts.rules.store import load_rule_index
from consumers.alerts.store import Counters, is_batch_stored, load_watermarks, read_counters, save_batch
from consumers.alerts.tables import SCHEMA
from consumers.alerts.watermarks import Watermark, comparable
from shared.cli.output import print_lines
from shared.database.engine import ReopeningHandler, opened, redact, writing
from shared.database.schema import create_schema
from shared.errors import (
    BrokerUnavailable,
    OutputError,
    PermissionMissing,
    PublishError,
    StorageReopened,
    StorageUnavailable,
)
from shared.events import PriceAlert, StockData
from shared.messaging.consumer import Consumer, Handler
from shared.messaging.publisher import Publisher
from shared.messaging.topology import ALERTS, LIVE_PRICES
from shared.prices import format_price
from shared.settings import Settings
from shared.times import format_instant, utc_now

log = logging.getLogger(__name__)

# Seconds. Short, because a stop waits for it; the consumer's runner retries for as long as needed.
PUBLISH_TIMEOUT = 5.0
# Seconds until pending alerts are published again after RabbitMQ has refused to take them.
REFUSED_INTERVAL = 5.0


class AlertHandler:
    """Raises alerts for batches of events.

    Rules and watermarks stay in memory between batches. The counters in the database tell when another process has
    changed the rules or worked on the queue; then rules or watermarks are loaded again.
    """

    def __init__(
        self,
        engine: Engine,
        publish: Publish,
        clock: Callable[[], datetime] = utc_now,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._engine = engine
        self._publish = publish
        self._clock = clock
        self._monotonic = monotonic
        self._refused = False
        self._next_relay = 0.0
        self._rules = RuleIndex((), revision=-1)
        self._watermarks: dict[str, Watermark] = {}
        # The counter `batches` that the watermarks in memory belong to; None if they may be wrong.
        self._batches: int | None = None

    def __call__(self, events: Sequence[StockData]) -> None:
        """Evaluate events in order, and publish all pending alerts. A repeated event fires nothing.

        Raises StorageError, PublishError and BrokerUnavailable; a call with the same events is then safe.
        """
        _print_alerts(self._evaluate(events))
        if not self._refused or self._monotonic() >= self._next_relay:
            self._relay()

    def relay_at_start(self) -> None:
        """Publish pending alerts; only log a warning if the broker or the database is away."""
        try:
            self._relay()
        except StorageReopened:
            raise
        except (BrokerUnavailable, PublishError, StorageUnavailable) as error:
            log.warning("%s; pending alerts will be published with the next prices", error)

    def _relay(self) -> None:
        """Publish all pending alerts. Only log it if the user may not publish, because that must not stop the rules."""
        try:
            relay_pending_alerts(self._engine, self._publish, self._clock)
        except PermissionMissing as error:
            if not self._refused:
                log.error("evaluating goes on, but alerts stay unpublished: %s", error)
            self._refused = True
            self._next_relay = self._monotonic() + REFUSED_INTERVAL
        else:
            if self._refused:
                log.info("alerts are published again")
            self._refused = False

    def _evaluate(self, events: Sequence[StockData]) -> list[PriceAlert]:
        """Return the new alerts of the events, after storing alerts and new watermarks in one transaction."""
        fired_alerts: list[tuple[StockData, PriceAlert]] = []
        new_alerts: list[PriceAlert] = []
        new_watermarks: dict[str, Watermark] = {}

        def read_back(connection: Connection) -> bool:
            batches = counters.batches + bool(new_watermarks)
            return is_batch_stored(connection, batches, new_watermarks, fired_alerts if new_watermarks else ())

        with writing(self._engine, read_back) as connection:
            counters = read_counters(connection)
            self._refresh(connection, counters, {event.symbol for event in events})
            # If the transaction fails, memory and database may differ.
            self._batches = None
            now = self._clock()
            for event in events:
                previous = comparable(self._watermarks.get(event.symbol), event, now)
                watermark, fired = self._rules.evaluate(event, previous)
                if watermark is not previous:
                    self._watermarks[event.symbol] = new_watermarks[event.symbol] = watermark
                fired_alerts += [(event, make_alert(rule, event, previous, now)) for rule in fired]
            if new_watermarks:
                new_alerts = save_batch(connection, new_watermarks, fired_alerts)
        self._batches = counters.batches + bool(new_watermarks)
        return new_alerts

    def _refresh(self, connection: Connection, counters: Counters, symbols: set[str]) -> None:
        """Load what has changed in the database, and the watermarks of symbols that are not in memory."""
        if counters.revision != self._rules.revision:
            self._rules = load_rule_index(connection, counters.revision)
        if counters.batches != self._batches:
            self._watermarks.clear()
        self._watermarks |= load_watermarks(connection, symbols - self._watermarks.keys())


def _print_alerts(alerts: Sequence[PriceAlert]) -> None:
    """Print the alerts. If that fails, evaluation goes on, because they are stored."""
    try:
        for alert in alerts:
            print_lines(alert_line(alert))
    except OutputError as error:
        log.warning("%s; %d alerts are stored, and ./stockwire alerts lists them", error, len(alerts))


def alert_line(alert: PriceAlert) -> str:
    """Return an alert as one line: time, symbol, price, rule and condition."""
    condition = Condition(alert.symbol, operators()[alert.condition], alert.threshold)
    return f"{format_instant(alert.as_of)} {alert.symbol} {format_price(alert.price)} {alert.rule_name}: {condition}"


@contextmanager
def open_alerts(settings: Settings) -> Iterator[Handler]:
    """Yield the handler for the database of `settings`, after publishing what an earlier process left pending.

    Raises StorageError if the database cannot be written.
    """
    permissions = alerts.permissions(alerts.queue_spec())
    with (
        opened(settings.alerts_url.engine_url) as engine,
        Publisher(settings.amqp_url, "alerts", permissions=permissions, timeout=PUBLISH_TIMEOUT) as publisher,
    ):

        def open_rules() -> Handler:
            create_schema(engine, SCHEMA)
            log.info("using the rules in %s", redact(engine.url))
            handler = AlertHandler(engine, publisher.publish)
            handler.relay_at_start()
            return handler

        yield ReopeningHandler(engine, open_rules)


alerts = Consumer("alerts", (LIVE_PRICES,), open_alerts, single_active=True, publishes=(ALERTS,))
