"""A program whose wall clock can be set while it runs: `python -m tests.faults.time_shift MODULE ARGUMENT …`.

`time.time` and `datetime.now` are ahead by the seconds in the file FAULTS_CLOCK, which is read again on SIGRTMIN.
`time.monotonic` stays as it is, as on a machine whose clock is set.
"""

import os
import runpy
import signal
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import time_machine

CLOCK = "FAULTS_CLOCK"
JUMP = signal.SIGRTMIN


class ShiftedClock:
    """The wall clock of this process, shifted by the seconds that a file says."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._ahead = 0.0
        self._traveller = time_machine.travel(datetime.now(UTC), tick=True).start()
        # time-machine starts to tick with the first call.
        time.time()

    def set(self, *_: object) -> None:
        """Shift the clock to what the file says now.

        This runs as a signal handler, perhaps in the middle of time-machine's own code: `shift` changes one number,
        so that no other thread and no interrupted call sees a clock that is half set.
        """
        ahead = float(self._file.read_text())
        self._traveller.shift(ahead - self._ahead)
        self._ahead = ahead


if __name__ == "__main__":
    clock = ShiftedClock(Path(os.environ[CLOCK]))
    clock.set()
    signal.signal(JUMP, clock.set)
    sys.argv = sys.argv[1:]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
