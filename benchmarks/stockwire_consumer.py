"""The history consumer, stopped after the last event of a job."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from benchmarks.side_process import Job, Stopwatch
from consumers.history.handler import history
from shared.database.url import DatabaseUrl
from shared.garbage_collection import collect_for_batches
from shared.messaging.consumer import Consumer, Handler
from shared.messaging.runner import run_consumer
from shared.settings import Settings
from shared.signals import Stop

Committed = Callable[[Sequence[Any]], None]


class TimedStop(Stop):
    """Times a consumer: the runner enters `calling` just before the first message, and leaves it at the end."""

    def __init__(self) -> None:
        super().__init__()
        self.watch = Stopwatch()

    @contextmanager
    def calling(self, listener: Callable[[], None]) -> Iterator[None]:
        self.watch.start()
        try:
            with super().calling(listener):
                yield
        finally:
            self.watch.stop()


def consume_history(job: Job, committed: Committed) -> float:
    """Return the seconds from the first message to the last acknowledgement. Calls `committed` after each commit."""
    stop = TimedStop()
    database = DatabaseUrl(f"sqlite:///{job.database}")
    settings = replace(Settings(), amqp_url=job.address, history_url=database)
    collect_for_batches()
    run_consumer(_until(job.events, stop, committed), settings, stop, queue=job.queue)
    return stop.watch.seconds


def _until(events: int, stop: Stop, committed: Committed) -> Consumer:
    @contextmanager
    def opened(settings: Settings) -> Iterator[Handler]:
        left = events

        def handle(batch: Sequence[Any]) -> None:
            nonlocal left
            save(batch)
            committed(batch)
            left -= len(batch)
            if left <= 0:
                stop.request()

        with history.open(settings) as save:
            yield handle

    return replace(history, open=opened)
