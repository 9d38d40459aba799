"""Assertions with a deadline: a condition comes true, a process prints a text or stops."""

import signal
import time
from collections.abc import Callable

from tests.faults.ledger import PromiseBroken
from tests.processes import DEADLINE, Process


def assert_eventually(condition: Callable[[], object], what: str, timeout: float = DEADLINE) -> None:
    """Poll until the condition holds. Raises PromiseBroken, which names `what`, if the time is over before."""
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            raise PromiseBroken(f"waited {timeout:g} s in vain for {what}")
        time.sleep(0.05)


def assert_stops(process: Process, timeout: float = DEADLINE) -> None:
    """Send SIGTERM. Raises PromiseBroken if the process does not end in time with exit status 0."""
    process.send(signal.SIGTERM)
    assert_eventually(lambda: not process.running, f"the end of\n{process.output}", timeout)
    if process.wait():
        raise PromiseBroken(f"it ended with {process.wait()}:\n{process.output}")


def assert_prints(process: Process, text: str, times: int = 1, timeout: float = DEADLINE) -> None:
    """Wait for the text. Raises PromiseBroken if the process has not printed it `times` times in time."""
    assert_eventually(
        lambda: process.output.count(text) >= times, f"{text!r} {times} times in\n{process.output}", timeout
    )
