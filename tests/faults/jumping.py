"""A program whose wall clock jumps when it is told to: `python -m tests.faults.jumping MODULE ARGUMENT …`.

`time.time` and `datetime.now` are shifted by the seconds in the file FAULTS_CLOCK, which is read again on SIGRTMIN.
`time.monotonic` goes on as ever, as on a machine whose clock is set.
"""

import os
import runpy
import signal
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import time_machine

CLOCK = "FAULTS_CLOCK"
JUMP = signal.SIGRTMIN


class Clock:
    def __init__(self, file: Path) -> None:
        self._file = file
        self._travel: time_machine.travel | None = None

    def jump(self, *_: object) -> None:
        if self._travel is not None:
            self._travel.stop()
        there = datetime.now(UTC) + timedelta(seconds=float(self._file.read_text()))
        self._travel = time_machine.travel(there, tick=True)
        self._travel.start()


if __name__ == "__main__":
    clock = Clock(Path(os.environ[CLOCK]))
    clock.jump()
    signal.signal(JUMP, clock.jump)
    sys.argv = sys.argv[1:]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
