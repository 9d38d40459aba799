"""The view of a running `up`: a live table on a terminal, one line per event elsewhere."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from consumers.tail import describe_event
from shared.cli.escaping import escape
from shared.cli.output import error_line, print_lines
from shared.errors import OutputError
from shared.events import Event, PriceAlert, RulesHeld, StockData
from shared.prices import format_price
from shared.times import format_instant

_ALERTS_SHOWN = 5


@dataclass
class LatestPrice:
    event: StockData
    previous_price: Decimal | None
    count: int


class EventSummary:
    """The latest price of each symbol, the last alerts, and the number of both."""

    def __init__(self) -> None:
        self.prices: dict[str, LatestPrice] = {}
        self.alerts: list[PriceAlert | RulesHeld] = []
        self.price_count = 0
        self.alert_count = 0

    def add(self, event: Event) -> None:
        if not isinstance(event, StockData):
            self.alert_count += 1
            self.alerts = [*self.alerts, event][-_ALERTS_SHOWN:]
            return
        self.price_count += 1
        latest = self.prices.get(event.symbol)
        if latest is None:
            self.prices[event.symbol] = LatestPrice(event, None, 1)
        elif event.as_of >= latest.event.as_of:
            self.prices[event.symbol] = LatestPrice(event, latest.event.price, latest.count + 1)

    def __str__(self) -> str:
        return f"{self.price_count} prices, {self.alert_count} alerts"


class LineView:
    """A line per event, for logs and pipes. The pipeline goes on if they cannot be written, say to a full disk."""

    def __init__(self) -> None:
        self._last_error = ""

    def show_event(self, event: Event) -> None:
        self._print(describe_event(event))

    def print_notice(self, notice: str) -> None:
        self._print(f"stockwire: {notice}")

    def _print(self, line: str) -> None:
        try:
            print_lines(line)
        except OutputError as error:
            if str(error) != self._last_error:
                self._last_error = str(error)
                print_lines(error_line(f"{error}; the pipeline goes on"), error=True)

    def refresh(self, summary: EventSummary) -> None:
        pass


class TableView:
    """A live table on the terminal."""

    def __init__(self, live: Live, title: str) -> None:
        self._live = live
        self._title = title

    def show_event(self, event: Event) -> None:
        pass

    def print_notice(self, notice: str) -> None:
        self._live.console.print(escape(f"stockwire: {notice}"), markup=False, highlight=False)

    def refresh(self, summary: EventSummary) -> None:
        self._live.update(_render(summary, self._title), refresh=True)


@contextmanager
def open_view(title: str) -> Iterator[LineView | TableView]:
    """Yield a table view if stdout is a terminal that can draw one, else a line view."""
    console = Console()
    # Another variable, FORCE_COLOR, lets rich take a file for a terminal.
    if not sys.stdout.isatty() or console.is_dumb_terminal:
        yield LineView()
        return
    with Live(console=console, auto_refresh=False) as live:
        yield TableView(live, title)


def _render(summary: EventSummary, title: str) -> Group:
    table = Table(title=title, title_justify="left", title_style="bold", header_style="bold", box=None, pad_edge=False)
    for column in ("symbol", "price", "change", "as of (UTC)", "provider", "events"):
        table.add_column(column, justify="right" if column in ("price", "change", "events") else "left")
    for symbol, latest in sorted(summary.prices.items()):
        event = latest.event
        price = f"{format_price(event.price)} {event.currency or ''}"
        as_of = format_instant(event.as_of)
        table.add_row(symbol, price, _change(latest), as_of, Text(escape(event.provider)), str(latest.count))
    waiting = [] if summary.prices else [Text("waiting for the first sync", style="dim")]
    alerts = [Text(escape(describe_event(alert)), style="bold yellow") for alert in summary.alerts]
    return Group(table, *waiting, *alerts, Text("Press Ctrl-C to stop", style="dim"))


def _change(latest: LatestPrice) -> Text:
    if not latest.previous_price:
        return Text("")
    percent = (latest.event.price - latest.previous_price) / latest.previous_price * 100
    return Text(f"{percent:+.2f} %", style="green" if percent > 0 else "red" if percent < 0 else "")
