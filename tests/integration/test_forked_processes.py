"""Forked processes are told from fresh ones by nothing that a test asserts."""

import json
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from tests.forked_processes import ForkedChild, forked
from tests.forked_processes import stockwire as forked_stockwire
from tests.processes import Process, running, stockwire

PROGRAM = """
import atexit, json, os, signal, sys, threading
atexit.register(print, "at exit")
threading.Thread(target=lambda: (threading.main_thread().join(), print("thread ended"))).start()
print(json.dumps({
    "arguments": sys.argv,
    "environment": {name: value for name, value in os.environ.items() if name != "LC_CTYPE"},
    "folder": os.getcwd(),
    "group and session": [os.getpgid(0) == os.getpid(), os.getsid(0) == os.getpid()],
    "input": sys.stdin.read(),
    "modules": sorted({"consumers", "infra", "producer", "shared", "tests"} & set(sys.modules)),
    "open files": len(os.listdir("/proc/self/fd")) if os.path.exists("/proc") else 0,
    "path": sys.path,
    "signals": [str(signal.getsignal(number)) for number in signal.valid_signals()],
    "streams": [
        (each.encoding, each.errors, each.line_buffering, each.write_through) for each in (sys.stdout, sys.stderr)
    ],
    "threads": threading.active_count(),
}, default=str))
end = sys.argv[1]
if end == "error":
    raise ValueError("an error")
if end == "interrupt":
    signal.raise_signal(signal.SIGINT)
if end == "kill":
    os.kill(os.getpid(), signal.SIGKILL)
if end != "end":
    sys.exit(int(end) if end.isdigit() else end)
"""

Run = Callable[..., AbstractContextManager[Process]]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "program.py").write_text(PROGRAM)
    return tmp_path


@pytest.mark.parametrize("end", ["end", "0", "3", "a message", "error", "interrupt", "kill"])
def test_a_forked_process_is_and_ends_like_a_fresh_one(folder: Path, end: str) -> None:
    def observe(run: Run) -> tuple[int, dict[str, object], list[str]]:
        environment = {"PYTHONPATH": "/nowhere", "STOCKWIRE_SYMBOLS": "AAPL,Ä"}
        with run("python", "-m", "program", end, environment=environment, folder=folder) as process:
            status = process.wait()
        first, *others = process.output.splitlines()
        return status, json.loads(first), [line for line in others if not line.startswith("  ")]

    fresh, fork = observe(running), observe(forked)
    for (name, expected), found in zip(fresh[1].items(), fork[1].values(), strict=True):
        assert (name, found) == (name, expected)
    assert (fork[0], sorted(fork[2])) == (fresh[0], sorted(fresh[2]))


def test_a_command_has_the_output_and_the_status_of_a_fresh_one(tmp_path: Path) -> None:
    environment = {"STOCKWIRE_HISTORY_URL": f"sqlite:///{tmp_path / 'history.db'}", "COLUMNS": "70"}
    for words in (["--help"], ["nonsense"], ["history", "AAPL"], ["consume", "nobody"]):
        fresh, fork = stockwire(*words, environment=environment), forked_stockwire(*words, environment=environment)
        assert (fork.returncode, fork.stdout, fork.stderr) == (fresh.returncode, fresh.stdout, fresh.stderr)


def test_the_modules_of_the_project_come_from_the_folder(folder: Path) -> None:
    for text in ("one", "another"):
        (folder / "shared.py").write_text(f"print({text!r})")
        (folder / "main.py").write_text("import shared")
        with forked("python", "-m", "main", environment={"PYTHONPATH": ""}, folder=folder) as process:
            assert process.wait() == 0
        assert process.output == f"{text}\n"
        (folder / "shared.py").unlink()
        for compiled in (folder / "__pycache__").glob("shared.*"):
            compiled.unlink()


def test_no_file_is_closed_by_what_the_server_has_left(folder: Path) -> None:
    (folder / "opener.py").write_text(
        "import gc, os\n"
        "opened = [os.open(os.devnull, os.O_RDONLY) for _ in range(20)]\n"
        "gc.collect()\n"
        "for each in opened:\n"
        "    os.fstat(each)\n"
    )
    with forked("python", "-m", "opener", environment={}, folder=folder) as process:
        assert process.wait() == 0, process.output


@pytest.fixture
def sleeper(folder: Path) -> Iterator[ForkedChild]:
    (folder / "sleeper.py").write_text("import time; print('asleep', flush=True); time.sleep(60)")
    child = ForkedChild(
        ["python", "-m", "sleeper"],
        cwd=folder,
        env=dict(os.environ),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    assert child.stdout
    with child.stdout:
        assert child.stdout.readline() == b"asleep\n"
        yield child
        child.send_signal(signal.SIGKILL)
        child.wait(30)


def test_its_end_is_waited_for_with_a_limit(sleeper: ForkedChild) -> None:
    assert sleeper.poll() is None
    with pytest.raises(subprocess.TimeoutExpired):
        sleeper.wait(0.01)
    sleeper.terminate()
    assert sleeper.wait(30) == -signal.SIGTERM
    assert sleeper.poll() == -signal.SIGTERM
    sleeper.terminate()  # it does nothing, like subprocess.Popen's


@pytest.mark.parametrize("name", ["PYTHONIOENCODING", "LANG", "LC_ALL"])
def test_what_python_reads_at_its_start_needs_a_fresh_process(name: str) -> None:
    with pytest.raises(ValueError, match=f"{name} is read at the start of an interpreter"):
        forked_stockwire("--help", environment={name: "something else"})


@pytest.mark.parametrize("command", [["sh", "-c", "true"], ["/bin/true"], ["python", "-c", "pass"]])
def test_another_program_than_a_module_is_refused(command: list[str]) -> None:
    with pytest.raises(ValueError, match=r"use tests\.processes"), forked(*command, environment={}):
        pass
