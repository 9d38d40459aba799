"""What `up` shows while it runs: a table on a terminal, a line an event elsewhere."""

import queue
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from consumers.tail import describe_event
from shared.errors import BrokerError
from shared.events import Event, PriceAlert, StockData, decode_event
from shared.messaging.consumer import Consumer, Handler
from shared.messaging.messages import Delivery
from shared.messaging.runner import run_consumer
from shared.messaging.topology import EVERYTHING
from shared.prices import format_price
from shared.settings import Settings
from shared.signals import Stop
from shared.times import format_instant

_ALERTS_SHOWN = 5


@contextmanager
def feed(settings: Settings) -> Iterator["queue.SimpleQueue[Event]"]:
    """Every event that passes while the block runs, on a queue of our own that goes with it."""
    events: queue.SimpleQueue[Event] = queue.SimpleQueue()

    @contextmanager
    def opened(_settings: Settings) -> Iterator[Handler]:
        def handle(batch: Sequence[Event]) -> None:
            for event in batch:
                events.put(event)

        yield handle

    def decode(delivery: Delivery, now: datetime) -> Event:
        return decode_event(delivery.body, now)

    stop = Stop()
    consumer = Consumer("up", (EVERYTHING,), opened, decode=decode, transient=True)
    thread = threading.Thread(target=_consume, args=(consumer, settings, stop), name="feed", daemon=True)
    thread.start()
    try:
        yield events
    finally:
        stop.request()
        thread.join(10)


def _consume(consumer: Consumer, settings: Settings, stop: Stop) -> None:
    try:
        run_consumer(consumer, settings, stop)
    except BrokerError as error:
        print(f"stockwire: the live view ends: {error}", file=sys.stderr)


@dataclass
class Line:
    event: StockData
    before: Decimal | None
    count: int


class PriceBoard:
    """The newest price of each symbol, and the last alerts."""

    def __init__(self) -> None:
        self.lines: dict[str, Line] = {}
        self.alerts: list[PriceAlert] = []
        self.prices_seen = 0
        self.alerts_seen = 0

    def take(self, event: Event) -> None:
        if isinstance(event, PriceAlert):
            self.alerts_seen += 1
            self.alerts = [*self.alerts, event][-_ALERTS_SHOWN:]
            return
        self.prices_seen += 1
        line = self.lines.get(event.symbol)
        if line is None:
            self.lines[event.symbol] = Line(event, None, 1)
        elif event.as_of >= line.event.as_of:
            self.lines[event.symbol] = Line(event, line.event.price, line.count + 1)

    def __str__(self) -> str:
        return f"prices passed: {self.prices_seen}, alerts: {self.alerts_seen}"


class PlainView:
    """A line an event, for logs and pipes."""

    def show(self, event: Event) -> None:
        print(describe_event(event), flush=True)

    def say(self, notice: str) -> None:
        print(f"stockwire: {notice}", flush=True)

    def refresh(self, market: PriceBoard) -> None:
        pass


class TableView:
    """A live table on the terminal."""

    def __init__(self, live: Live, title: str) -> None:
        self._live = live
        self._title = title

    def show(self, event: Event) -> None:
        pass

    def say(self, notice: str) -> None:
        self._live.console.print(f"stockwire: {notice}", markup=False, highlight=False)

    def refresh(self, market: PriceBoard) -> None:
        self._live.update(_render(market, self._title), refresh=True)


@contextmanager
def view(title: str) -> Iterator[PlainView | TableView]:
    if not sys.stdout.isatty():
        yield PlainView()
        return
    with Live(console=Console(), auto_refresh=False) as live:
        yield TableView(live, title)


def _render(market: PriceBoard, title: str) -> Group:
    table = Table(title=title, title_justify="left", title_style="bold", header_style="bold", box=None, pad_edge=False)
    for column in ("symbol", "price", "change", "as of (UTC)", "provider", "events"):
        table.add_column(column, justify="right" if column in ("price", "change", "events") else "left")
    for symbol, line in sorted(market.lines.items()):
        event = line.event
        price = f"{format_price(event.price)} {event.currency or ''}"
        as_of = format_instant(event.as_of)
        table.add_row(symbol, price, _change(line), as_of, Text(event.provider), str(line.count))
    waiting = [] if market.lines else [Text("waiting for the first sync", style="dim")]
    alerts = [Text(describe_event(alert), style="bold yellow") for alert in market.alerts]
    return Group(table, *waiting, *alerts, Text("Ctrl-C ends it", style="dim"))


def _change(line: Line) -> Text:
    if not line.before:
        return Text("")
    percent = (line.event.price - line.before) / line.before * 100
    return Text(f"{percent:+.2f} %", style="green" if percent > 0 else "red" if percent < 0 else "")
