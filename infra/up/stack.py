"""Supervision of the stack's processes: start them, restart those that crash, and stop all together."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from infra.up.folders import PROCESS_FILE
from infra.up.log_files import previous_log
from infra.up.orphans import record_processes
from producer.celery_environment import without_celery
from shared.errors import ProcessError
from shared.settings import ROOT

# Seconds until a process that ignores SIGTERM is killed.
STOP_TIMEOUT = 20
# A process that ends this often, each time within STABLE_AFTER seconds, is not restarted.
MAX_CRASHES = 4
STABLE_AFTER = 20.0
# Bytes, in which the last line of a log is looked for.
_LOG_END = 8192

CONSUMERS = {name: [sys.executable, "-m", "consumers", name] for name in ("history", "alerts")}
PRODUCER = {
    "producer": [sys.executable, "-m", "celery", "-A", "producer", "worker", "--beat", "--loglevel=info"],
}


@dataclass
class SupervisedProcess:
    """A process in its own session, so that Ctrl-C does not reach it. Its output is appended to `log`.

    The others go on without an optional process.
    """

    name: str
    command: list[str]
    log: Path
    environment: Mapping[str, str]
    is_optional: bool = False
    crashes: int = 0
    started: float = 0.0
    process: subprocess.Popen[bytes] = field(init=False)

    def start(self) -> None:
        self.started = time.monotonic()
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command,
                cwd=ROOT,
                env=dict(self.environment),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def last_output_line(self) -> str:
        with self.log.open("rb") as log:
            log.seek(max(0, self.log.stat().st_size - _LOG_END))
            lines = log.read().decode(errors="replace").split("\n")
        return next((line.strip() for line in reversed(lines) if line.strip()), "no output")


class Stack:
    """The supervised processes, which stop at the end of the `with` block."""

    def __init__(
        self, folder: Path, environment: Mapping[str, str], own: Mapping[str, Mapping[str, str]] | None = None
    ) -> None:
        """Write a log file per process to `folder`, and add `environment` to the environment of each process.

        Variables that another project has set for Celery are left out.

        `own` has further variables by the name of the only process that gets them.
        """
        self._folder = folder
        self._process_file = folder / PROCESS_FILE
        self._environment = {**without_celery(os.environ), **environment, "PYTHONUNBUFFERED": "1"}
        self._own = own or {}
        self._processes: list[SupervisedProcess] = []

    def start(self, commands: Mapping[str, list[str]], *, optional: bool = False) -> None:
        for name, command in commands.items():
            log = self._folder / f"{name}.log"
            log.write_text("")
            previous_log(log).unlink(missing_ok=True)
            environment = {**self._environment, **self._own.get(name, {})}
            process = SupervisedProcess(name, command, log, environment, optional)
            process.start()
            self._processes.append(process)
            self._record()

    def restart_crashed(self) -> list[str]:
        """Restart processes that have ended, and return a notice for each.

        Raises ProcessError for repeated crashes of one that is not optional.
        """
        notices = []
        for each in [*self._processes]:
            code = each.process.poll()
            if code is None:
                continue
            each.crashes = 1 if time.monotonic() - each.started > STABLE_AFTER else each.crashes + 1
            if each.crashes >= MAX_CRASHES:
                reason = f"{each.name} keeps ending ({each.last_output_line()}): see {each.log.relative_to(ROOT)}"
                if not each.is_optional:
                    raise ProcessError(reason)
                self._processes.remove(each)
                notices.append(f"{reason}; the others go on without it")
                continue
            notices.append(f"{each.name} ended (exit status {code}: {each.last_output_line()}); restarting it")
            each.start()
            self._record()
        return notices

    @property
    def logs(self) -> list[Path]:
        return [each.log for each in self._processes]

    def last_output_line(self, name: str) -> str:
        """Return the last line in the log of the process, or `no output`."""
        return next(each.last_output_line() for each in self._processes if each.name == name)

    def __enter__(self) -> Self:
        self._folder.mkdir(parents=True, exist_ok=True)
        return self

    def __exit__(self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None) -> None:
        for each in self._processes:
            with suppress(ProcessLookupError):
                each.process.terminate()
        deadline = time.monotonic() + STOP_TIMEOUT
        for each in self._processes:
            with suppress(subprocess.TimeoutExpired):
                each.process.wait(max(0.1, deadline - time.monotonic()))
            # The rest of its process group, such as Celery's children.
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(each.process.pid, signal.SIGKILL)
            each.process.wait()
        self._process_file.unlink(missing_ok=True)

    def _record(self) -> None:
        record_processes(self._process_file, os.getpid(), (each.process.pid for each in self._processes))
