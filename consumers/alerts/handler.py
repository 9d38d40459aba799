"""The consumer `alerts`: prices against rules, and each alert once, whatever is delivered how often."""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime

from sqlalchemy import Connection, Engine

from consumers.alerts.engine import RuleIndex, Watermark, raise_alert
from consumers.alerts.outbox import Publish, publish_pending
from consumers.alerts.rules.parser import Condition, Terms
from consumers.alerts.rules.store import load_rule_index
from consumers.alerts.store import Counters, load_watermarks, read_counters, save_batch
from consumers.alerts.tables import SCHEMA
from shared.database import opened, redact, writing
from shared.errors import BrokerUnavailable, PublishError, StorageUnavailable
from shared.events import PriceAlert, StockData
from shared.messaging.consumer import Consumer, Handler
from shared.messaging.publisher import Publisher
from shared.messaging.topology import LIVE_PRICES
from shared.prices import format_price
from shared.schema import create_schema
from shared.settings import Settings
from shared.times import format_instant, utc_now

log = logging.getLogger(__name__)

# Seconds; the policy around the handler tries again for as long as it takes, and a stop should not wait long for it.
PUBLISH_TIMEOUT = 5.0


class AlertHandler:
    """Raises alerts for batches of events: stored first, then printed and published.

    What it remembers of rules and watermarks between batches is checked against the counters in the database, so that
    it stays right when rules change, and when another process has worked on the queue in between.
    """

    def __init__(self, engine: Engine, publish: Publish, clock: Callable[[], datetime] = utc_now) -> None:
        self._engine = engine
        self._publish = publish
        self._clock = clock
        self._book = RuleIndex((), revision=-1)
        self._watermarks: dict[str, Watermark] = {}
        # The batch after which the watermarks were as remembered; None where they cannot be trusted.
        self._batches: int | None = None

    def __call__(self, events: Sequence[StockData]) -> None:
        """Deal with events in order. An event seen before fires nothing, but what is owed is published.

        Raises StorageError, PublishError and BrokerUnavailable; all is well if it is then called again with the same.
        """
        for alert in self._evaluate(events):
            print(alert_line(alert), flush=True)
        publish_pending(self._engine, self._publish, self._clock)

    def _evaluate(self, events: Sequence[StockData]) -> list[PriceAlert]:
        """The alerts that the events raise; they and the new watermarks are one transaction."""
        raised: list[PriceAlert] = []
        moved: dict[str, Watermark] = {}
        with writing(self._engine) as connection:
            counters = read_counters(connection)
            self._catch_up(connection, counters, {event.symbol for event in events})
            # Until the commit nobody knows what will be in the database.
            self._batches = None
            for event in events:
                before = self._watermarks.get(event.symbol)
                after, fired = self._book.evaluate(event, before)
                if after is not before:
                    self._watermarks[event.symbol] = moved[event.symbol] = after
                raised += [raise_alert(rule, event, before, self._clock()) for rule in fired]
            if moved:
                save_batch(connection, moved, raised)
        self._batches = counters.batches + bool(moved)
        return raised

    def _catch_up(self, connection: Connection, counters: Counters, symbols: set[str]) -> None:
        if counters.revision != self._book.revision:
            self._book = load_rule_index(connection, counters.revision)
        if counters.batches != self._batches:
            self._watermarks.clear()
        self._watermarks |= load_watermarks(connection, symbols - self._watermarks.keys())


def alert_line(alert: PriceAlert) -> str:
    """An alert for people, in one line: when, what, at which price, and the rule."""
    terms = Terms(alert.symbol, Condition(alert.condition), alert.threshold)
    return f"{format_instant(alert.as_of)} {alert.symbol} {format_price(alert.price)} {alert.rule_name}: {terms}"


@contextmanager
def open_alerts(settings: Settings) -> Iterator[Handler]:
    """The handler on the database of `settings`, after what an earlier process left owed has been published.

    Raises StorageError where the database cannot be written.
    """
    with opened(settings.alerts_url) as engine:
        create_schema(engine, SCHEMA)
        log.info("raising alerts by the rules in %s", redact(engine.url))
        with Publisher(settings.amqp_url, "alerts", timeout=PUBLISH_TIMEOUT) as publisher:
            _publish_leftovers(engine, publisher)
            yield AlertHandler(engine, publisher.publish)


def _publish_leftovers(engine: Engine, publisher: Publisher) -> None:
    try:
        publish_pending(engine, publisher.publish)
    except (BrokerUnavailable, PublishError, StorageUnavailable) as error:
        log.warning("%s; what is owed is published with the next prices", error)


alerts = Consumer("alerts", (LIVE_PRICES,), open_alerts, single_active=True)
