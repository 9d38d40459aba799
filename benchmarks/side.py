"""One side of a bench at work, in a fresh interpreter of its own: `python -m benchmarks.side MODULE FUNCTION JOB`."""

import asyncio
import gc
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from importlib import import_module
from typing import Any

from shared.errors import ProcessError
from shared.messaging.address import BrokerAddress
from shared.settings import ROOT

TIMEOUT = 120


@dataclass(frozen=True)
class Job:
    """So many events on this queue of the broker at `url`, and a database file that is not there yet.

    `pace` is how many of them to publish a second, `market` the URL of a provider to fetch them from.
    """

    url: str
    queue: str
    events: int
    database: str
    pace: float = 0
    market: str = ""

    @property
    def address(self) -> BrokerAddress:
        return BrokerAddress.parse(self.url)


Work = Callable[[Job], Any]


@dataclass(frozen=True)
class Side:
    """`work` does a job and returns what was measured, as JSON can carry it; `how` says in a few words how.

    It is a function of a module, plain or async, so that another process can find it by its name.
    """

    how: str
    events: int
    work: Work


class Stopwatch:
    """Seconds on the monotonic clock; what the bench itself has made is kept from the garbage collector's rounds."""

    seconds = 0.0

    def start(self) -> None:
        gc.collect()
        gc.freeze()
        self._started = time.monotonic()

    def stop(self) -> None:
        self.seconds = time.monotonic() - self._started


@contextmanager
def started(work: Work, job: Job) -> Iterator[subprocess.Popen[str]]:
    """The function, by its name, in a process of its own, which ends with the block at the latest."""
    command = [sys.executable, "-m", "benchmarks.side", work.__module__, work.__name__, json.dumps(asdict(job))]
    with subprocess.Popen(
        command,
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def result(process: subprocess.Popen[str], name: str) -> Any:
    """What the side has measured. Raises ProcessError with the last line it said, where it failed."""
    try:
        printed, said = process.communicate(timeout=TIMEOUT)
    except subprocess.TimeoutExpired:
        raise ProcessError(f"{name} has not come to an end within {TIMEOUT} s") from None
    if process.returncode:
        last = next(reversed(said.strip().splitlines()), f"exit status {process.returncode}")
        raise ProcessError(f"{name} failed: {last}")
    return json.loads(printed)


def main(module: str, function: str, job: str) -> None:
    work: Work = getattr(import_module(module), function)
    found = work(Job(**json.loads(job)))
    print(json.dumps(asyncio.run(found) if asyncio.iscoroutine(found) else found))


if __name__ == "__main__":
    main(*sys.argv[1:])
