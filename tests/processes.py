"""Real processes for the tests: started, read while they run, and ended with their test, even if pytest is killed.

Each has a fresh interpreter here, which takes most of its time to import libraries; tests/forked_processes.py has
processes that start in a fifth of the time.
"""

import atexit
import compileall
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any

from infra.up.orphans import record_processes
from infra.up.watchdog import Watchdog
from shared.settings import ROOT

DEADLINE = 30.0
# Without bytecode, each of some hundred processes would compile every module again.
PYTHON = {"PYTHONDONTWRITEBYTECODE": ""}


def until(condition: Callable[[], object], what: str, timeout: float = DEADLINE) -> None:
    """Poll until the condition holds. Fails after `timeout` seconds with `what` the test waited for."""
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, f"waited {timeout:g} s in vain for {what}"
        time.sleep(0.05)


# The processes that the watchdog of this process ends if pytest is killed.
_running: set[int] = set()
_recording = threading.Lock()


def _record(pid: int) -> None:
    with _recording:
        _running.add(pid)
        record_processes(_process_file(), os.getpid(), _running)


@cache
def _process_file() -> Path:
    """Start a watchdog, and return the file in which it looks for processes."""
    folder = Path(tempfile.mkdtemp(prefix="stockwire-tests-"))
    watchdog = Watchdog([folder / "processes"], folder / "watchdog.log")
    watchdog.start()
    atexit.register(shutil.rmtree, folder)
    atexit.register(watchdog.stop)
    return folder / "processes"


class Process:
    """A child process in its own session; `output` is everything printed so far on both streams."""

    def __init__(
        self,
        command: list[str],
        environment: Mapping[str, str],
        folder: Path = ROOT,
        start: Callable[..., Any] = subprocess.Popen,
    ) -> None:
        self._child: subprocess.Popen[bytes] = start(
            command,
            cwd=folder,
            env={**os.environ, **PYTHON, "PYTHONUNBUFFERED": "1", **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        _record(self._child.pid)
        self._lines: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        return self._child.pid

    @property
    def output(self) -> str:
        return "".join(self._lines)

    @property
    def running(self) -> bool:
        return self._child.poll() is None

    def wait_for(self, text: str, timeout: float = DEADLINE) -> None:
        deadline = time.monotonic() + timeout
        while text not in self.output:
            assert self.running, f"it ended without saying {text!r}:\n{self.output}"
            assert time.monotonic() < deadline, f"waited {timeout:g} s in vain for {text!r}:\n{self.output}"
            time.sleep(0.02)

    def send(self, number: signal.Signals) -> None:
        self._child.send_signal(number)

    def wait(self, timeout: float = DEADLINE) -> int:
        """Wait until the process ends by itself, and return its exit status."""
        status = self._child.wait(timeout)
        self._reader.join(5)
        return status

    def stop(self, number: signal.Signals = signal.SIGTERM, timeout: float = DEADLINE) -> int:
        self.send(number)
        return self.wait(timeout)

    def end(self) -> None:
        """Ask the process to end, and kill its process group afterwards."""
        if self.running:
            self._child.terminate()
            with suppress(subprocess.TimeoutExpired):
                self._child.wait(DEADLINE)
        with suppress(ProcessLookupError):
            os.killpg(self._child.pid, signal.SIGKILL)
        self._child.wait()
        _running.discard(self._child.pid)
        self._reader.join(5)
        assert self._child.stdout
        self._child.stdout.close()

    def _read(self) -> None:
        assert self._child.stdout
        for line in self._child.stdout:
            self._lines.append(line.decode(errors="replace"))


@contextmanager
def running(*command: str, environment: Mapping[str, str], folder: Path = ROOT) -> Iterator[Process]:
    """Run a process for one block; `python` is the interpreter of the tests."""
    words = [sys.executable, *command[1:]] if command[0] == "python" else list(command)
    process = Process(words, environment, folder)
    try:
        yield process
    finally:
        process.end()


def stockwire(
    *arguments: str, environment: Mapping[str, str] | None = None, folder: Path = ROOT, timeout: float = 60
) -> "subprocess.CompletedProcess[str]":
    """Run one command of ./stockwire to its end."""
    return subprocess.run(
        [folder / "stockwire", *arguments],
        cwd=folder,
        env={**os.environ, **PYTHON, **(environment or {})},
        check=False,
        capture_output=True,
        text=True,
        timeout=timeout,
        stdin=subprocess.DEVNULL,
    )


def processes_in(folder: Path) -> list[tuple[int, str]]:
    """Return process number and command line of each process that runs in a folder or below."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if (process / "cwd").resolve().is_relative_to(folder):
                found.append((int(process.name), (process / "cmdline").read_text().replace("\0", " ")))
        except OSError:
            continue  # it has ended, or is somebody else's
    return found


def copy_checkout(folder: Path) -> Path:
    """Copy the project as a fresh clone has it, but compiled, and with this checkout's .venv.

    The files are shared with the other copies of this run, so a test may add and replace files, but not change them.
    """
    copy = folder / "stockwire"
    shutil.copytree(_template(), copy, copy_function=_link)
    (copy / ".venv").symlink_to(ROOT / ".venv")
    return copy


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:  # on another file system
        shutil.copy2(source, target)


@cache
def _template() -> Path:
    """Return a copy for the copies of `copy_checkout`. Links to it take a tenth of the time of copies."""
    for package in ROOT.glob("*/__init__.py"):
        compileall.compile_dir(package.parent, quiet=1)
    folder = Path(tempfile.mkdtemp(prefix="stockwire-tests-"))
    atexit.register(shutil.rmtree, folder)
    ignored = shutil.ignore_patterns("var", ".venv", ".git", ".*_cache", ".env", ".hypothesis")
    # Copies keep the time of each file, by which Python knows that its bytecode is up to date.
    return Path(shutil.copytree(ROOT, folder / "template", ignore=ignored))
