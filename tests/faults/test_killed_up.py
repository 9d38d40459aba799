r"""kill -9 of `up`, or Ctrl-\: its processes end with it, and `down` ends what is left if its watchdog dies too."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from shared.messaging.address import BrokerAddress
from tests.faults.assertions import assert_eventually
from tests.faults.ledger import PromiseBroken
from tests.faults.markers import control, fault
from tests.processes import Process, copy_checkout, processes_in, running, stockwire, until

STARTUP = 90.0
# An address without a broker, so that `up` starts its own.
NO_BROKER = "amqp://127.0.0.1:1/"
CHILDREN = ("consumers history", "consumers alerts", "celery")
BROKER = ("rabbitmq-server", "beam", "epmd")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    return copy_checkout(tmp_path)


@contextmanager
def upped(checkout: Path, broker: str) -> Iterator[Process]:
    """Run `up`, and let it sync before the block begins."""
    words = (str(checkout / "stockwire"), "up", "--every", "1s")
    with running(*words, environment={"STOCKWIRE_AMQP_URL": broker}, folder=checkout) as up:
        up.wait_for("AAPL", STARTUP)
        yield up


def assert_running(checkout: Path, *words: str) -> None:
    commands = " ".join(command for _, command in processes_in(checkout))
    assert [word for word in words if word not in commands] == []


def watchdogs(checkout: Path) -> set[int]:
    return {pid for pid, command in processes_in(checkout) if "infra.up.watchdog" in command}


def kill_watchdog(checkout: Path) -> int:
    """Kill the watchdog, and return its number. On a busy machine, it may take a moment to disappear."""
    [pid] = watchdogs(checkout)
    os.kill(pid, signal.SIGKILL)
    return pid


def end_what_is_left(checkout: Path) -> None:
    done = stockwire("down", folder=checkout)
    assert (done.returncode, done.stderr) == (0, "")
    assert processes_in(checkout) == []


def assert_all_end(checkout: Path) -> None:
    assert_eventually(lambda: not processes_in(checkout), "the end of all processes of the killed up")


@fault
def test_everything_ends_with_a_killed_up(checkout: Path) -> None:
    with upped(checkout, NO_BROKER) as up:
        assert_running(checkout, *CHILDREN, *BROKER)
        assert up.stop(signal.SIGKILL) == -signal.SIGKILL
        assert_all_end(checkout)
    assert "nothing else runs" in stockwire("down", folder=checkout).stdout


@control
def test_control_without_a_watchdog(checkout: Path) -> None:
    with upped(checkout, NO_BROKER) as up:
        kill_watchdog(checkout)
        up.stop(signal.SIGKILL)
        try:
            assert_all_end(checkout)
        finally:
            assert_running(checkout, *CHILDREN, *BROKER)
            end_what_is_left(checkout)


@fault
def test_a_watchdog_that_is_killed_is_replaced_and_ends_everything_after_ctrl_backslash(
    checkout: Path, broker: BrokerAddress
) -> None:
    with upped(checkout, broker.url()) as up:
        killed = kill_watchdog(checkout)
        until(lambda: watchdogs(checkout) - {killed}, "another watchdog")
        assert up.stop(signal.SIGQUIT) == -signal.SIGQUIT
        assert_all_end(checkout)


@fault
def test_down_ends_what_is_left_if_the_watchdog_is_killed_with_its_up(checkout: Path) -> None:
    with upped(checkout, NO_BROKER) as up:
        kill_watchdog(checkout)
        up.stop(signal.SIGKILL)
        assert_running(checkout, *CHILDREN, *BROKER)
        assert "ended 5 processes" in stockwire("down", folder=checkout).stdout
        if left := processes_in(checkout):
            raise PromiseBroken(f"down left {left}")


@fault
def test_the_watchdog_of_a_killed_up_leaves_the_processes_of_the_next_up_alone(
    checkout: Path, broker: BrokerAddress
) -> None:
    with upped(checkout, broker.url()) as first:
        first.stop(signal.SIGKILL)
        with upped(checkout, broker.url()) as second:
            commands = [command for _, command in processes_in(checkout)]
            assert sum("consumers history" in command for command in commands) == 1
            assert second.stop() == 0
        assert "ended (exit status" not in second.output
    assert processes_in(checkout) == []
