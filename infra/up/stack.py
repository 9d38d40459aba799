"""The processes of the stack: started, watched, started again when one falls over, and ended together."""

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

from infra.up.orphans import kill_orphans, remember
from shared.errors import ProcessError
from shared.settings import ROOT

STOP_TIMEOUT = 20
# A process that falls over this often, each time within this many seconds, will not get better by itself.
MAX_FALLS = 4
SETTLED = 20.0

CONSUMERS = {name: [sys.executable, "-m", "consumers", name] for name in ("history", "alerts")}
PRODUCER = {
    "producer": [sys.executable, "-m", "celery", "-A", "producer", "worker", "--beat", "--loglevel=info"],
}


@dataclass
class Child:
    """A process in a session of its own, so that Ctrl-C reaches only us; what it prints goes to `log`."""

    name: str
    command: list[str]
    log: Path
    environment: Mapping[str, str]
    falls: int = 0
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

    def last_words(self) -> str:
        lines = self.log.read_text(errors="replace").split("\n")
        return next((line.strip() for line in reversed(lines) if line.strip()), "it said nothing")


class Stack:
    """Children by name. As a context manager it ends whatever runs, in good order, when the block ends."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        """`folder` gets a log file a process; `environment` is added to each one's."""
        self._folder = folder
        self._leaders = folder / "processes"
        self._environment = {**os.environ, **environment, "PYTHONUNBUFFERED": "1"}
        self._children: list[Child] = []

    def start(self, commands: Mapping[str, list[str]]) -> None:
        for name, command in commands.items():
            log = self._folder / f"{name}.log"
            log.write_text("")
            child = Child(name, command, log, self._environment)
            child.start()
            self._children.append(child)
        self._remember()

    def revive(self) -> list[str]:
        """Start again what has fallen over; says what that was. Raises ProcessError for what keeps falling."""
        notices = []
        for child in self._children:
            code = child.process.poll()
            if code is None:
                continue
            child.falls = 1 if time.monotonic() - child.started > SETTLED else child.falls + 1
            if child.falls >= MAX_FALLS:
                raise ProcessError(
                    f"{child.name} keeps ending: {child.last_words()} (all of it: {child.log.relative_to(ROOT)})"
                )
            notices.append(f"{child.name} ended (exit status {code}: {child.last_words()}); starting it again")
            child.start()
            self._remember()
        return notices

    def __enter__(self) -> Self:
        self._folder.mkdir(parents=True, exist_ok=True)
        kill_orphans(self._leaders)
        return self

    def __exit__(self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None) -> None:
        for child in self._children:
            with suppress(ProcessLookupError):
                child.process.terminate()
        deadline = time.monotonic() + STOP_TIMEOUT
        for child in self._children:
            with suppress(subprocess.TimeoutExpired):
                child.process.wait(max(0.1, deadline - time.monotonic()))
            # Also what it may have left of its own children.
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(child.process.pid, signal.SIGKILL)
            child.process.wait()
        self._leaders.unlink(missing_ok=True)

    def _remember(self) -> None:
        remember(self._leaders, (child.process.pid for child in self._children))
