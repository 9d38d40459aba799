"""A side of a bench in its own interpreter: `python -m benchmarks.side_process MODULE FUNCTION JOB`."""

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
    """The number of events, their queue on the broker at `url`, and the path of a database to create.

    `rate` is in events per second. `provider_url` is the URL of the provider to fetch prices from.
    """

    url: str
    queue: str
    events: int
    database: str
    rate: float = 0
    provider_url: str = ""

    @property
    def address(self) -> BrokerAddress:
        return BrokerAddress.parse(self.url)


Work = Callable[[Job], Any]


@dataclass(frozen=True)
class Side:
    """A program under test. `work` does a job and returns the figures as JSON values; `how` describes the method.

    `work` is a function of a module, plain or async, so that another process can import it by name.
    """

    how: str
    events: int
    work: Work


class Stopwatch:
    """Seconds on the monotonic clock. The garbage collector ignores all objects that exist at the start."""

    seconds = 0.0

    def start(self) -> None:
        gc.collect()
        gc.freeze()
        self._started = time.monotonic()

    def stop(self) -> None:
        self.seconds = time.monotonic() - self._started


@contextmanager
def started(work: Work, job: Job) -> Iterator[subprocess.Popen[str]]:
    """Run `work` in its own process, which is killed at the end of the block."""
    command = [sys.executable, "-m", "benchmarks.side_process", work.__module__, work.__name__, json.dumps(asdict(job))]
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


def result(process: subprocess.Popen[str], name: str, timeout: float = TIMEOUT) -> Any:
    """Return the figures of a side. Raises ProcessError with the last line of its stderr if it failed.

    The timeout is in seconds.
    """
    try:
        stdout, stderr = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        raise ProcessError(f"{name} did not finish within {timeout:g} s") from None
    if process.returncode:
        last = next(reversed(stderr.strip().splitlines()), f"exit status {process.returncode}")
        raise ProcessError(f"{name} failed: {last}")
    return json.loads(stdout)


def main(module: str, function: str, job: str) -> None:
    work: Work = getattr(import_module(module), function)
    found = work(Job(**json.loads(job)))
    print(json.dumps(asyncio.run(found) if asyncio.iscoroutine(found) else found))


if __name__ == "__main__":
    main(*sys.argv[1:])
