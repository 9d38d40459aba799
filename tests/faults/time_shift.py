"""A program whose wall clock can be set while it runs: `python -m tests.faults.time_shift MODULE ARGUMENT …`.

`time.time` and `datetime.now` are ahead by the seconds in the file FAULTS_CLOCK, which is read again on SIGRTMIN.
`time.monotonic` stays as it is, as on a machine whose clock is set.
"""

import os
import runpy
import signal
import sys
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

import time_machine

CLOCK = "FAULTS_CLOCK"
JUMP = signal.SIGRTMIN


def write_clock(file: Path, ahead: float) -> None:
    """Write the file in one step: a program that reads it at this moment sees the old number or the new one."""
    new = file.with_suffix(".new")
    new.write_text(str(ahead))
    new.replace(file)


class ShiftedClock:
    """The wall clock of this process, shifted by the seconds that a file says."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._ahead = 0.0
        self._traveller = time_machine.travel(datetime.now(UTC), tick=True).start()
        # time-machine starts to tick with the first call.
        time.time()
        self._set()

    def follow(self) -> None:
        """Set the clock on every signal, in a thread of its own.

        A signal handler would run in the main thread in the middle of any code, also of time-machine and of an earlier
        handler. Here the signal is blocked in all threads, and only this thread changes the clock.
        """
        signal.pthread_sigmask(signal.SIG_BLOCK, {JUMP})
        threading.Thread(target=self._run, name="clock", daemon=True).start()

    def _run(self) -> None:
        while True:
            signal.sigwait({JUMP})
            self._set()

    def _set(self) -> None:
        ahead = float(self._file.read_text())
        # One number changes, so no other thread sees a clock that is half set.
        self._traveller.shift(ahead - self._ahead)
        self._ahead = ahead


if __name__ == "__main__":
    ShiftedClock(Path(os.environ[CLOCK])).follow()
    sys.argv = sys.argv[1:]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
