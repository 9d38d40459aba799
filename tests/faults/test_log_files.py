"""The log files of `up` stay bounded however much its processes write, and however full the disk is."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.up import log_files
from infra.up.log_files import previous_log, rotate_logs
from infra.up.stack import Stack
from shared.messaging.address import BrokerAddress
from tests.faults.markers import fault
from tests.processes import copy_checkout, running, until

SIZE = 100_000
# Writes numbered lines without a pause, in pieces that the process does not split.
NOISY = "import itertools, os\nfor number in itertools.count():\n    os.write(1, b'line %d\\n' % number)\n"


@pytest.fixture
def small_logs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_files, "MAX_LOG_SIZE", SIZE)


@pytest.fixture
def noisy_log(tmp_path: Path, small_logs: None) -> Iterator[Path]:
    """The log of a process that never stops writing."""
    with Stack(tmp_path / "log", {}) as stack:
        stack.start({"noisy": [sys.executable, "-c", NOISY]})
        [log] = stack.logs
        until(lambda: log.stat().st_size > SIZE, "a large log")
        yield log


def test_a_log_is_copied_and_emptied_while_its_process_goes_on_writing(noisy_log: Path) -> None:
    newest = 0
    for _ in range(10):
        assert rotate_logs([noisy_log]) == []
        copied = previous_log(noisy_log).read_bytes()
        # A process that did not append would leave a hole at the start of the emptied file.
        assert b"\0" not in copied
        # The first and the last line may be a part of one.
        numbers = [int(line.removeprefix(b"line ")) for line in copied.splitlines()[1:-1]]
        assert numbers[-1] > newest
        newest = numbers[-1]
        until(lambda: noisy_log.stat().st_size > SIZE, "more lines")
    assert [file.name for file in sorted(noisy_log.parent.glob("noisy*"))] == ["noisy.log", "noisy.log.1"]


def test_a_log_that_cannot_be_copied_is_emptied_all_the_same(noisy_log: Path) -> None:
    previous_log(noisy_log).symlink_to("/dev/full")
    [notice] = rotate_logs([noisy_log])
    assert notice == f"{noisy_log} was emptied without a copy: No space left on device"
    assert not previous_log(noisy_log).exists()
    before = noisy_log.stat().st_size
    until(lambda: noisy_log.stat().st_size > before, "more lines")


def test_small_logs_and_missing_ones_are_left_alone(tmp_path: Path, small_logs: None) -> None:
    log = tmp_path / "small.log"
    log.write_bytes(b"x" * SIZE)
    assert rotate_logs([log, tmp_path / "missing.log"]) == []
    assert [file.name for file in tmp_path.iterdir()] == ["small.log"]


@fault
def test_up_rotates_the_logs_of_its_processes(tmp_path: Path, broker: BrokerAddress) -> None:
    checkout = copy_checkout(tmp_path)
    environment = {"STOCKWIRE_AMQP_URL": broker.url()}
    with running(str(checkout / "stockwire"), "up", environment=environment, folder=checkout) as up:
        up.wait_for("syncing")
        log = checkout / "var" / "log" / "history.log"
        with log.open("ab") as file:
            file.write(b"x" * (log_files.MAX_LOG_SIZE + 1))
        until(lambda: previous_log(log).exists() and log.stat().st_size == 0, "the rotated log")
        assert up.stop() == 0
