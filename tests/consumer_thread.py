"""A consumer in a thread of the test's own process, and handlers for it."""

import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from shared.messaging.address import BrokerAddress
from shared.messaging.consumer import Consumer, Handler, consumer
from shared.messaging.runner import run_consumer
from shared.messaging.topology import queue_name
from shared.settings import Settings
from shared.signals import Stop
from tests.polling import DEADLINE, eventually
from tests.queues import EVERYTHING, consumers_of


class Recorder:
    """A handler that keeps its batches. `failing` is called first with each batch."""

    def __init__(self, failing: Callable[[Sequence[Any]], None] = lambda _events: None) -> None:
        self.batches: list[list[Any]] = []
        self._failing = failing

    def __call__(self, events: Sequence[Any]) -> None:
        self._failing(events)
        self.batches.append(list(events))

    @property
    def ids(self) -> list[str]:
        return [event.id for batch in self.batches for event in batch]


class Running:
    """A consumer that runs in a thread of this process."""

    def __init__(self, wanted: Consumer, address: BrokerAddress, patterns: Sequence[str] = ()) -> None:
        self.queue = queue_name(wanted.name)
        self.error: BaseException | None = None
        self.stop = Stop()
        self._thread = threading.Thread(target=self._run, args=(wanted, address, patterns), name=wanted.name)
        self._thread.start()

    def _run(self, wanted: Consumer, address: BrokerAddress, patterns: Sequence[str]) -> None:
        try:
            run_consumer(wanted, replace(Settings(), amqp_url=address), self.stop, patterns=patterns)
        except BaseException as error:  # noqa: BLE001 - the test that reads `error` wants every error
            self.error = error

    @property
    def alive(self) -> bool:
        return self._thread.is_alive()

    def ended(self, timeout: float = DEADLINE) -> BaseException | None:
        """Wait for the end of the consumer, and return its error if it has one."""
        self._thread.join(timeout)
        assert not self._thread.is_alive(), f"the consumer is still running after {timeout:g} s"
        return self.error


@contextlib.contextmanager
def running(
    handler: Handler | Consumer, broker: BrokerAddress, *, through: BrokerAddress | None = None
) -> Iterator[Running]:
    """Run a consumer named test until the end of the block, and raise its error if it has one.

    The consumer connects to `through` if that is given. A plain handler gets all events.
    """
    wanted = handler if isinstance(handler, Consumer) else consumer("test", *EVERYTHING)(handler)
    run = Running(wanted, through or broker)
    try:
        eventually(lambda: run.error or consumers_of(broker, run.queue))
        yield run
    finally:
        run.stop.request()
        error = run.ended()
    if error is not None:
        raise error


def opened(handler: Any) -> Any:
    @contextlib.contextmanager
    def give(_settings: Any) -> Iterator[Any]:
        yield handler

    return give
