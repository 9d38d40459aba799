r"""A watchdog: a process that waits for the end of its owner, and then ends what the owner left running.

After `kill -9` or Ctrl-\ an owner such as `up` cannot end its children. A parent-death signal would reach only the
children themselves, not the Erlang VM behind RabbitMQ's shell scripts; and it would come when the thread that started a
child ends. The watchdog ends whole process groups, in the order of the records, and does so on every system.
"""

import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from infra.up.orphans import end_orphans

_ROOT = Path(__file__).resolve().parent.parent.parent
# Seconds, on a system without pidfd_open.
_POLL_INTERVAL = 0.5


class Watchdog:
    """A watchdog process, which runs during the `with` block. Its errors are appended to `log`.

    `files` are the records of the processes to end, of which the first end first.
    """

    def __init__(self, files: Sequence[Path], log: Path, owner: int | None = None) -> None:
        """Watch this process, or the process with the number `owner`."""
        # Without site-packages, it starts in a third of the time.
        self._command = [sys.executable, "-S", "-m", "infra.up.watchdog", str(owner or os.getpid()), *map(str, files)]
        self._log = log
        self._process: subprocess.Popen[bytes]

    def start(self) -> None:
        self._log.parent.mkdir(parents=True, exist_ok=True)
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command,
                cwd=_ROOT,
                env={**os.environ, "PYTHONPATH": str(_ROOT)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def restart_if_ended(self) -> None:
        if self._process.poll() is not None:
            self.start()

    def stop(self) -> None:
        self._process.kill()
        self._process.wait()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None) -> None:
        self.stop()


def watch(owner: int, files: Sequence[Path]) -> None:
    """Wait until the owner has ended, and end the processes that it has recorded."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        # Whoever ends everything by such a signal also ends the owner, which ends its processes and this one.
        signal.signal(number, signal.SIG_IGN)
    _wait_for_end(owner)
    for file in files:
        end_orphans(file, owner)


def _wait_for_end(owner: int) -> None:
    try:
        if hasattr(os, "pidfd_open"):
            descriptor = os.pidfd_open(owner)
            select.select([descriptor], [], [])
            return
        while True:
            os.kill(owner, 0)
            time.sleep(_POLL_INTERVAL)
    except ProcessLookupError:
        return


if __name__ == "__main__":
    watch(int(sys.argv[1]), [Path(word) for word in sys.argv[2:]])
