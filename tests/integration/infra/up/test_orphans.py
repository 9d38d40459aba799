"""Records of processes, and the end of those that outlived their owner."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from infra.up import process_table
from infra.up.orphans import end_orphans, record_processes
from tests.processes import until

OWNER = 1

Start = Callable[..., "subprocess.Popen[bytes]"]

# Like Celery: the leader of the process group has a child.
WITH_A_CHILD = (
    "import subprocess, time\nsubprocess.Popen(['sleep', '60'])\nprint('started', flush=True)\ntime.sleep(60)"
)
DEAF = (
    "import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nprint('started', flush=True)\ntime.sleep(60)"
)


@pytest.fixture
def start() -> Iterator[Start]:
    """Start a Python program as the leader of a process group, and reap it as soon as it ends."""
    processes = []

    def started(program: str) -> "subprocess.Popen[bytes]":
        process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, start_new_session=True)
        processes.append(process)
        assert process.stdout
        assert process.stdout.readline() == b"started\n"
        process.stdout.close()
        threading.Thread(target=process.wait, daemon=True).start()
        return process

    yield started
    for process in processes:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def group(process: "subprocess.Popen[bytes]") -> list[process_table.RunningProcess]:
    return [each for each in process_table.running_processes() if each.group == process.pid]


def test_a_whole_process_group_is_ended(start: Start, tmp_path: Path) -> None:
    process = start(WITH_A_CHILD)
    assert len(group(process)) == 2
    record_processes(tmp_path / "processes", OWNER, [process.pid])
    assert end_orphans(tmp_path / "processes") == 1
    assert group(process) == []
    assert process.wait() == -signal.SIGTERM
    assert end_orphans(tmp_path / "processes") == 0


def test_a_process_that_ignores_sigterm_is_killed(start: Start, tmp_path: Path) -> None:
    process = start(DEAF)
    record_processes(tmp_path / "processes", OWNER, [process.pid])
    assert end_orphans(tmp_path / "processes", terminate_timeout=0.2) == 1
    assert process.wait() == -signal.SIGKILL


def test_a_record_of_another_owner_is_left_alone(start: Start, tmp_path: Path) -> None:
    process = start(WITH_A_CHILD)
    record_processes(tmp_path / "processes", OWNER, [process.pid])
    assert end_orphans(tmp_path / "processes", OWNER + 1) == 0
    assert len(group(process)) == 2
    assert end_orphans(tmp_path / "processes", OWNER) == 1


@pytest.mark.parametrize("record", ["{owner}\n{pid} another time", "", "1", "nonsense"])
def test_a_number_that_another_process_has_now_is_left_alone(start: Start, tmp_path: Path, record: str) -> None:
    process = start(WITH_A_CHILD)
    (tmp_path / "processes").write_text(record.format(owner=OWNER, pid=process.pid))
    assert end_orphans(tmp_path / "processes") == 0
    assert len(group(process)) == 2


def test_a_zombie_has_ended() -> None:
    process = subprocess.Popen(["true"])
    until(lambda: process.pid not in process_table.start_times(), "its end")
    process.wait()


def test_ps_finds_the_same_processes_as_proc(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    by_proc = {(each.pid, each.group) for each in process_table.running_processes()}
    monkeypatch.setattr(process_table, "_PROC", tmp_path)
    by_ps = {(each.pid, each.group) for each in process_table.running_processes()}
    assert (os.getpid(), os.getpgrp()) in by_proc & by_ps
    assert process_table.start_times()[os.getpid()] == process_table.start_times()[os.getpid()]
