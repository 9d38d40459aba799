"""The consumer `alerts`: evaluate rules on prices, store the alerts, then print and publish each alert once."""

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import cache

from sqlalchemy import Connection, Engine

from consumers.alerts.batch import Results
from consumers.alerts.evaluation import Evaluator
from consumers.alerts.known_splits import evaluate_across_splits
from consumers.alerts.notifications.sender import Sender
from consumers.alerts.outbox import Publish, relay_pending_alerts
from consumers.alerts.silence import Sessions, tell_silence
from consumers.alerts.split_guard import rescale_command
from consumers.alerts.store import count_batch, is_batch_stored, read_counters
from consumers.alerts.tables import SCHEMA
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
from shared.events import PriceAlert, RulesHeld, StockData
from shared.market_calendar import load_market_calendar
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

    The last prices stay in memory between batches. The counters in the database tell when another process has changed
    them; then they are loaded again. Rules are never in memory.
    """

    def __init__(
        self,
        engine: Engine,
        publish: Publish,
        clock: Callable[[], datetime] = utc_now,
        monotonic: Callable[[], float] = time.monotonic,
        wake_sender: Callable[[], None] = lambda: None,
        sessions: Callable[[], Sessions | None] = lambda: None,
    ) -> None:
        self._engine = engine
        self._publish = publish
        self._clock = clock
        self._monotonic = monotonic
        self._wake_sender = wake_sender
        self._sessions = sessions
        self._refused = False
        self._next_relay = 0.0
        self._evaluator = Evaluator(clock)
        # The counter `batches` that the prices in memory belong to; None if they may be wrong.
        self._batches: int | None = None

    def __call__(self, events: Sequence[StockData]) -> None:
        """Evaluate events in order, and publish all pending alerts. A repeated event fires nothing.

        Raises StorageError, PublishError and BrokerUnavailable; a call with the same events is then safe.
        """
        self._tell(self._evaluate(events))
        if not self._refused or self._monotonic() >= self._next_relay:
            self._relay()

    def idle(self, count_waiting: Callable[[], int] = lambda: 0) -> None:
        """Tell of symbols without data, if no event waits. Raises the same errors as a call."""
        new = tell_silence(self._engine, self._clock(), self._sessions, count_waiting)
        if new:
            self._tell(Results(new))
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

    def _evaluate(self, events: Sequence[StockData]) -> Results:
        """Return what is new, after storing it with the new prices in one transaction."""
        results = Results()

        def read_back(connection: Connection) -> bool:
            symbols = {event.symbol for event in events}
            return is_batch_stored(connection, counters.batches + 1, symbols, results.raised)

        with writing(self._engine, read_back) as connection:
            counters = read_counters(connection)
            if counters.batches != self._batches:
                self._evaluator.forget()
            # If the transaction fails, memory and database may differ.
            self._batches = None
            results = evaluate_across_splits(self._evaluator, connection, events, counters.revision)
            count_batch(connection)
        self._batches = counters.batches + 1
        return results

    def _tell(self, results: Results) -> None:
        """Print what is new, and have it sent. If it cannot be printed, evaluation goes on, because it is stored."""
        new: list[PriceAlert | RulesHeld] = [*results.held, *results.alerts]
        if new:
            self._wake_sender()
        try:
            for each in new:
                print_lines(describe_event(each))
        except OutputError as error:
            log.warning("%s; %d alerts are stored, and ./stockwire alerts lists them", error, len(new))


def describe_event(event: PriceAlert | RulesHeld) -> str:
    """Return an alert as one line: time, symbol, price, rule and condition."""
    as_of = format_instant(event.as_of)
    if isinstance(event, RulesHeld):
        jump = f"{format_price(event.previous_price)} to {format_price(event.price)}"
        return (
            f"{as_of} {event.symbol} rules are held: the price went from {jump}, which may be a split;"
            f" run {rescale_command(event.symbol, event.ratio)}"
        )
    price = "" if event.price is None else f" {format_price(event.price)}"
    marks = [*(["resolved"] if event.state == "resolved" else []), *(["silenced"] if event.silenced else [])]
    end = f" ({', '.join(marks)})" if marks else ""
    condition = event.terms.partition(" ")[2]
    return f"{as_of} {event.symbol}{price} {event.rule_name}: {event.symbol} {condition}{end}"


@cache
def market_sessions(market: str | None) -> Sessions | None:
    """Return the sessions of a market, whose calendar takes half a second to load. Raises SettingsError."""
    return load_market_calendar(market).sessions if market else None


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
        sender = Sender(settings.alerts_url.engine_url)

        def open_rules() -> Handler:
            create_schema(engine, SCHEMA)
            log.info("using the rules in %s", redact(engine.url))
            handler = AlertHandler(
                engine, publisher.publish, wake_sender=sender.wake, sessions=lambda: market_sessions(settings.market)
            )
            handler.relay_at_start()
            return handler

        handler = ReopeningHandler(engine, open_rules)
        # Not before: an error of the database is the handler's to report.
        with sender:
            yield handler


alerts = Consumer("alerts", (LIVE_PRICES,), open_alerts, single_active=True, publishes=(ALERTS,))
