import threading
import time

import pytest

from shared.messaging.amqp import held_bytes
from shared.messaging.amqp.held_bytes import GROWTH, MAX_HELD, HeldBytes

SHORT = 0.2
LONG = 5.0


def waiting_for_room(held: HeldBytes, may_wait: threading.Event) -> threading.Thread:
    thread = threading.Thread(target=held.wait_for_room, args=(may_wait.is_set,), daemon=True)
    thread.start()
    return thread


def test_the_reader_waits_until_enough_bytes_are_released() -> None:
    held, may_wait = HeldBytes(), threading.Event()
    may_wait.set()
    held.add(MAX_HELD)
    held.wait_for_room(may_wait.is_set)
    held.add(10)
    thread = waiting_for_room(held, may_wait)
    held.release(9)
    thread.join(SHORT)
    assert thread.is_alive()
    held.release(1)
    thread.join(LONG)
    assert not thread.is_alive()


def test_the_reader_does_not_wait_when_it_may_not() -> None:
    held, may_wait = HeldBytes(), threading.Event()
    held.add(2 * MAX_HELD)
    held.wait_for_room(may_wait.is_set)
    may_wait.set()
    thread = waiting_for_room(held, may_wait)
    may_wait.clear()
    thread.join(LONG)
    assert not thread.is_alive()


def test_a_reader_that_waits_for_long_may_read_a_little_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """RabbitMQ closes a connection that takes nothing for 30 s."""
    monkeypatch.setattr(held_bytes, "GROWTH_INTERVAL", SHORT)
    held = HeldBytes()
    held.add(MAX_HELD + 1)
    started = time.monotonic()
    held.wait_for_room(lambda: True)
    assert time.monotonic() - started >= SHORT
    held.add(GROWTH)
    started = time.monotonic()
    held.wait_for_room(lambda: True)
    assert time.monotonic() - started < SHORT
    held.add(1)
    held.wait_for_room(lambda: True)
    assert time.monotonic() - started >= SHORT
