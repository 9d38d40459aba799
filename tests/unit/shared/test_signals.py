import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from shared.settings import ROOT
from shared.signals import Stop, stop_on_signals

PROGRAM = """
from shared.signals import stop_on_signals
with stop_on_signals() as stop:
    print("ready", flush=True)
    while not stop.wait(60):
        pass
print("finished", flush=True)
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_process_finishes_after_a_signal_and_exits_with_0(number: signal.Signals) -> None:
    with subprocess.Popen([sys.executable, "-c", PROGRAM], stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
        before = time.monotonic()
        process.send_signal(number)
        assert process.wait(20) == 0
        assert process.stdout.read() == "finished\n"
        assert time.monotonic() - before < 10


def test_a_signal_requests_a_stop_and_the_earlier_handlers_are_restored() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with stop_on_signals() as stop:
        assert not stop.requested
        os.kill(os.getpid(), signal.SIGTERM)
        assert stop.wait(10)
        assert stop.requested
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_wait_ends_with_the_request_and_not_before() -> None:
    stop = Stop()
    assert not stop.wait(-1)
    assert not stop.wait(0.01)
    threading.Timer(0.05, stop.request).start()
    before = time.monotonic()
    assert stop.wait(30)
    assert time.monotonic() - before < 10


@contextmanager
def uninterrupted_sleeps() -> Iterator[None]:
    """Have signals handled by another thread, so that none ends a sleep of this one.

    A signal that comes in the moment before a sleep does not end the sleep either.
    """
    end = threading.Event()
    other = threading.Thread(target=end.wait)
    other.start()
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])
        end.set()
        other.join()


def test_a_signal_that_does_not_end_the_sleep_ends_the_wait_soon() -> None:
    with stop_on_signals() as stop, uninterrupted_sleeps():
        threading.Timer(0.05, os.kill, [os.getpid(), signal.SIGTERM]).start()
        before = time.monotonic()
        assert stop.wait(60)
        assert time.monotonic() - before < 20


def test_every_wait_after_a_request_returns_at_once() -> None:
    stop = Stop()
    stop.request()
    assert all(stop.wait(60) for _ in range(3))


def test_a_listener_is_called_by_each_request_until_its_block_ends() -> None:
    stop = Stop()
    calls: list[str] = []
    with stop.calling(lambda: calls.append("one")):
        stop.request()
        with stop.calling(lambda: calls.append("late")):
            assert calls == ["one", "late"]
    stop.request()
    assert calls == ["one", "late"]


def test_only_the_main_thread_can_handle_signals() -> None:
    errors: list[Exception] = []

    def attempt() -> None:
        try:
            with stop_on_signals():
                pass
        except ValueError as error:
            errors.append(error)

    thread = threading.Thread(target=attempt)
    thread.start()
    thread.join()
    assert len(errors) == 1
