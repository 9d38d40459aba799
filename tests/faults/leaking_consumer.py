"""A consumer that leaks memory: it keeps every event. The memory test must notice that."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from consumers.history.handler import history as real_history
from shared.events import StockData
from shared.messaging.consumer import Handler
from shared.settings import Settings


@contextmanager
def open_leaking(settings: Settings) -> Iterator[Handler]:
    kept: list[StockData] = []
    with real_history.open(settings) as handle:

        def keep(events: Sequence[StockData]) -> None:
            kept.extend(events)
            handle(events)

        yield keep


history = replace(real_history, open=open_leaking)
