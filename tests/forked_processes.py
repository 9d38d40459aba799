"""Processes as in tests/processes.py, but forked from a process that has imported the libraries already.

They are real processes: see tests/fork_server.py for all that differs from a fresh start. A test in which the start
itself matters (the launcher, what is imported, `up`, what a killed process leaves behind) uses tests/processes.py.
"""

import atexit
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import IO

from shared.settings import ROOT
from tests.processes import PYTHON, Process

# The interpreter and its libraries read these only at their start, which a forked process does not have.
_READ_AT_START = ("PYTHON", "LC_", "LANG", "OPENSSL_", "SSL_")
_SUPPORTED = frozenset(["PYTHONPATH", "PYTHONUNBUFFERED", "PYTHONDONTWRITEBYTECODE"])


@contextmanager
def forked(*command: str, environment: Mapping[str, str], folder: Path = ROOT) -> Iterator[Process]:
    """Run a process for one block: `python -m MODULE`, or `./stockwire` without its launcher."""
    process = Process(list(command), environment, folder, start=ForkedChild)
    try:
        yield process
    finally:
        process.end()


def stockwire(
    *arguments: str, environment: Mapping[str, str] | None = None, folder: Path = ROOT, timeout: float = 60
) -> "subprocess.CompletedProcess[str]":
    """Run one command of ./stockwire to its end, without the launcher."""
    command = ["./stockwire", *arguments]
    with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryFile("w+") as errors:
        child = ForkedChild(
            command,
            cwd=folder,
            env={**os.environ, **PYTHON, **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=output.fileno(),
            stderr=errors.fileno(),
        )
        try:
            status = child.wait(timeout)
        except BaseException:
            child.kill()
            raise
        for file in (output, errors):
            file.seek(0)
        return subprocess.CompletedProcess(command, status, output.read(), errors.read())


class ForkedChild:
    """A forked process with the methods of subprocess.Popen that `Process` uses. Standard input is empty."""

    def __init__(
        self,
        command: Sequence[str],
        *,
        cwd: Path,
        env: Mapping[str, str],
        stdin: int = subprocess.DEVNULL,
        stdout: int,
        stderr: int,
        start_new_session: bool = False,
    ) -> None:
        assert stdin == subprocess.DEVNULL
        request = _request(command, cwd, env, start_new_session)
        self.args = command
        self.stdout: IO[bytes] | None = None
        if stdout == subprocess.PIPE:
            read, stdout = os.pipe()
            self.stdout = os.fdopen(read, "rb")
        self._report, report = socket.socketpair()
        with report, Path(os.devnull).open("rb") as nothing:
            streams = [nothing.fileno(), stdout, stdout if stderr == subprocess.STDOUT else stderr]
            _fork_server().fork(request, [*streams, report.fileno()])
        if self.stdout:
            os.close(stdout)
        self._received = b""
        self._waiting = threading.Lock()
        self.returncode: int | None = None
        event, self.pid = self._read_report(60)
        assert event == "started", f"{command} was not started"

    def poll(self) -> int | None:
        try:
            return self.wait(0)
        except subprocess.TimeoutExpired:
            return None

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the end, and return the exit status. Raises subprocess.TimeoutExpired after `timeout` seconds."""
        with self._waiting:
            if self.returncode is None:
                _, self.returncode = self._read_report(timeout)
                self._report.close()
            return self.returncode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def _read_report(self, timeout: float | None) -> tuple[str, int]:
        """Return the next report of the server: `started` and the number of the process, or `ended` and its status."""
        self._report.settimeout(timeout)
        while b"\n" not in self._received:
            try:
                received = self._report.recv(100)
            except (TimeoutError, BlockingIOError):
                raise subprocess.TimeoutExpired(self.args, timeout or 0) from None
            assert received, f"the process that forked {self.args} has ended"
            self._received += received
        line, _, self._received = self._received.partition(b"\n")
        event, number = line.split()
        return event.decode(), int(number)


def _request(command: Sequence[str], folder: Path, environment: Mapping[str, str], session: bool) -> dict[str, object]:
    """Return what the server needs to know of a command. Raises ValueError if only a fresh start would do."""
    folder = Path(folder).resolve()
    environment = dict(environment)
    for name in {*environment, *os.environ} - _SUPPORTED:
        if name.startswith(_READ_AT_START) and environment.get(name) != os.environ.get(name):
            raise ValueError(f"{name} is read at the start of an interpreter: use tests.processes")
    match command:
        case ["python" | sys.executable, "-m", module, *arguments]:
            pass
        case [program, *arguments] if folder / program == folder / "stockwire":
            module = "infra"
            environment["PYTHONPATH"] = os.pathsep.join(filter(None, [str(folder), environment.get("PYTHONPATH")]))
        case _:
            raise ValueError(f"{command} is not a module of Python: use tests.processes")
    return {
        "module": module,
        "arguments": arguments,
        "environment": environment,
        "folder": str(folder),
        "session": session,
    }


class _ForkServer:
    """The program tests/fork_server.py, which ends together with this process."""

    def __init__(self) -> None:
        self._socket, requests = socket.socketpair()
        self._sending = threading.Lock()
        with requests:
            self._process = subprocess.Popen(
                [sys.executable, ROOT / "tests" / "fork_server.py", str(requests.fileno())],
                env={name: value for name, value in {**os.environ, **PYTHON}.items() if name != "PYTHONPATH"},
                stdin=subprocess.DEVNULL,
                pass_fds=[requests.fileno()],
                start_new_session=True,
            )

    def fork(self, request: Mapping[str, object], descriptors: list[int]) -> None:
        text = json.dumps(request).encode()
        with self._sending:
            socket.send_fds(self._socket, [f"{len(text):8}".encode()], descriptors)
            self._socket.sendall(text)

    def close(self) -> None:
        self._socket.close()
        self._process.wait()


@cache
def _fork_server() -> _ForkServer:
    server = _ForkServer()
    atexit.register(server.close)
    return server
