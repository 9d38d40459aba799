import threading

from shared.messaging.amqp.held_bytes import MAX_HELD, HeldBytes

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
