"""The needs of the rules of a symbol: the numbers that an event must be measured by, and the prices of windows."""

from datetime import timedelta
from typing import NamedTuple

from sqlalchemy import Connection

from consumers.alerts.conditions.metrics import Kind, Metric
from consumers.alerts.feeds import SymbolFeed
from consumers.alerts.rule_index import Usage
from consumers.alerts.rules.models import EVERY_SYMBOL
from consumers.alerts.store import load_window
from shared.events import StockData
from shared.prices import is_real


class Needs(NamedTuple):
    """The needs of the rules of a symbol: their numbers, the longest window, and the split guard."""

    metrics: tuple[Metric, ...]
    longest: timedelta | None
    is_guarded: bool


def needs_of(symbol: str, usage: Usage) -> Needs:
    """Return what the rules of a symbol and of `*` need."""
    metrics = tuple(usage[symbol] | usage[EVERY_SYMBOL])
    windows = [metric.window for metric in metrics if metric.window is not None]
    guarded = any(metric.kind != Kind.SILENCE for metric in metrics)
    return Needs(metrics, max(windows, default=None), guarded)


def open_window(connection: Connection, symbol: str, feed: SymbolFeed, first: StockData | None = None) -> None:
    """Load the prices of windows that may be compared with the newest price, or with the first event."""
    currency = provider = None
    if feed.mark is not None:
        currency, provider = feed.mark.currency, feed.mark.provider
    if first is not None and provider is None:
        currency, provider = first.currency, first.provider
    rows = load_window(connection, symbol, currency, is_real=is_real(provider or ""))
    feed.open_window(rows)
