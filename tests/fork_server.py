"""A program that forks: each request becomes a process that runs one Python module, as `python -m MODULE` does.

The libraries below and the commands of Stockwire are imported once, here. A forked process has arguments, environment,
streams, session and exit status of its own, and imports all other modules itself. In another folder than that of these
tests, it imports every module of Stockwire itself, from that folder. So it is a fresh start in all but two things that
take longer than the work of most commands: the imports, and the destruction of the modules at the end, which comes
after all code of a program has run.

tests/forked_processes.py sends the requests.
"""

import atexit
import gc
import importlib
import io
import json
import os
import runpy
import selectors
import signal
import socket
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

LIBRARIES = (
    "alembic.command",
    "amqpstorm",
    "celery.apps.beat",
    "celery.apps.worker",
    "celery.backends.database",
    "celery.bin.celery",
    "celery.fixups.django",
    "exchange_calendars",
    "kombu.transport.pyamqp",
    "msgspec",
    "pydantic.type_adapter",
    "requests",
    "rich.live",
    "sqlite3",
    "sqlalchemy.dialects.sqlite",
    "sqlalchemy.orm",
    "statistics",
    "typer",
)
ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("consumers", "infra", "producer", "shared")
# `serve` imports them when it runs.
SERVER_MODULES = ("consumers.web.app", "consumers.web.server", "infra.web")
# It reads the environment of the process that imports it.
CELERY_APP = "producer.celery_app"


def serve(requests: socket.socket) -> dict[str, Any]:
    """Fork for each request until the other side is closed. Returns the request, in the forked process only."""
    reports: dict[int, socket.socket] = {}  # per process, the socket on which its end is to be reported
    wake_up, woken = socket.socketpair()
    for end in (wake_up, woken):
        end.setblocking(False)
    signal.set_wakeup_fd(wake_up.fileno())
    signal.signal(signal.SIGCHLD, lambda *_: None)
    selector = selectors.DefaultSelector()
    selector.register(requests, selectors.EVENT_READ)
    selector.register(woken, selectors.EVENT_READ)
    while True:
        ready = {key.fileobj for key, _ in selector.select()}
        if woken in ready:
            woken.recv(4096)
            _report_ended(reports)
        if requests in ready:
            request, descriptors = _receive(requests)
            pid = os.fork()
            if pid == 0:
                signal.set_wakeup_fd(-1)
                # Selectors are in a cycle: Python would close their descriptors later, with files that have them then.
                selector.close()
                for own in (requests, wake_up, woken, *reports.values()):
                    own.close()
                _become(request, descriptors)
                return request
            *streams, report = descriptors
            for stream in streams:
                os.close(stream)
            reports[pid] = socket.socket(fileno=report)


def _receive(requests: socket.socket) -> tuple[dict[str, Any], list[int]]:
    """Return a request, and the descriptors of its standard streams and of the socket for reports."""
    length, descriptors, *_ = socket.recv_fds(requests, 8, 4)
    if not length:
        os._exit(0)
    text = b""
    while len(text) < int(length):
        text += requests.recv(int(length) - len(text))
    return json.loads(text), descriptors


def _report_ended(reports: dict[int, socket.socket]) -> None:
    while reports:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if not pid:
            return
        with suppress(OSError), reports.pop(pid) as report:
            report.send(f"ended {os.waitstatus_to_exitcode(status)}\n".encode())


def _become(request: dict[str, Any], descriptors: list[int]) -> None:
    """Make this process what a fresh interpreter is at its start, and report its number."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    # A run of the tests in the background of a script ignores it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if request["session"]:
        os.setsid()
    os.chdir(request["folder"])
    *streams, report = descriptors
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
    os.write(report, f"started {os.getpid()}\n".encode())
    os.closerange(3, 1024)
    os.environ.clear()
    os.environ.update(request["environment"])
    time.tzset()
    _open_streams(unbuffered=bool(os.environ.get("PYTHONUNBUFFERED")))
    paths = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    sys.path[:] = [request["folder"], *filter(None, paths), *sys.path[1:]]
    if Path(request["folder"]) != ROOT:
        for name in [name for name in sys.modules if name.partition(".")[0] in PACKAGES]:
            del sys.modules[name]
    sys.path_importer_cache.clear()
    sys.argv[:] = ["-m", *request["arguments"]]


def _open_streams(*, unbuffered: bool) -> None:
    """Open the standard streams as Python does at its start: encoded for the locale, as this program's are."""
    sys.stdin = open(0, encoding=sys.stdin.encoding, errors=sys.stdin.errors, closefd=False)  # noqa: SIM115
    for number, name in ((1, "stdout"), (2, "stderr")):
        old = getattr(sys, name)
        stream = io.TextIOWrapper(
            open(number, "wb", 0 if unbuffered else -1, closefd=False),  # noqa: SIM115
            encoding=old.encoding,
            errors=old.errors,
            line_buffering=name == "stderr" and not unbuffered,
            write_through=unbuffered,
        )
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)


class Ending:
    """The exit status of this process, once its program has ended without an error to report."""

    status: int | None = None

    def run(self, module: str) -> None:
        """Run a module as the main program."""
        try:
            runpy.run_module(module, run_name="__main__", alter_sys=True)
        except SystemExit as error:
            self.status = error.code if isinstance(error.code, int) else int(error.code is not None)
            raise
        self.status = 0

    def leave(self) -> None:
        """End this process without the destruction of all modules.

        It runs after the end of all threads and after the functions that others have registered with atexit. Errors
        are left to the interpreter: of the program, and of a stream that cannot be written.
        """
        if self.status is None:
            return
        try:
            sys.stdout.flush()
            sys.stderr.flush()
        except (OSError, ValueError):
            return
        os._exit(self.status)


def import_modules() -> None:
    """Import the libraries, the commands, the consumers, and what serves the page."""
    for library in LIBRARIES:
        importlib.import_module(library)
    sys.path.insert(1, str(ROOT))
    cli, registry = importlib.import_module("infra.cli"), importlib.import_module("consumers.registry")
    targets = [command.target for command in cli.COMMANDS.values()]
    targets += [target for target, _ in registry.BUILT_IN.values()]
    targets += SERVER_MODULES
    for target in targets:
        importlib.import_module(target.partition(":")[0])
    sys.path.remove(str(ROOT))
    assert CELERY_APP not in sys.modules, f"{CELERY_APP} must be imported by each process itself"


if __name__ == "__main__":
    ending = Ending()
    atexit.register(ending.leave)  # before all others, because the first to register is the last to run
    import_modules()
    gc.collect()
    gc.freeze()
    ending.run(serve(socket.socket(fileno=int(sys.argv[1])))["module"])
