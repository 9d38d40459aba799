"""A PostgreSQL server for the tests, on loopback, with its data in a temporary folder."""

import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from infra.up.folders import PROCESS_FILE
from infra.up.orphans import record_processes
from infra.up.rabbitmq import free_port
from infra.up.watchdog import Watchdog

START_TIMEOUT = 30
# The first version whose databases can have a collation of ICU.
_ICU = 15


class PostgresqlServer:
    """A server that a test may stop, kill and start again. `url` is its URL for SQLAlchemy."""

    def __init__(self, folder: Path, binaries: Path, user: str | None) -> None:
        port = free_port()
        self.url = f"postgresql+psycopg://stockwire@127.0.0.1:{port}/postgres"
        self._folder = folder
        self._binaries = binaries
        self._user = user
        self._port = port
        self._process: subprocess.Popen[bytes] | None = None
        self._create_data()

    def start(self) -> None:
        options = ["-c", "listen_addresses=127.0.0.1", "-c", f"port={self._port}"]
        options += ["-c", f"unix_socket_directories={self._folder}"]
        # The data does not have to survive a crash of the machine.
        options += ["-c", "fsync=off", "-c", "full_page_writes=off"]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._binaries / "postgres", "-D", self._folder / "data", *options],
                user=self._user,
                cwd=self._folder,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        record_processes(self._folder / PROCESS_FILE, os.getpid(), [self._process.pid])
        self._wait_until_ready()

    def stop(self) -> None:
        """End the server without waiting for its clients, whose connections are lost."""
        if self._process:
            self._process.send_signal(signal.SIGINT)
            self._process.wait(START_TIMEOUT)

    def kill_backend(self, pid: int) -> None:
        """Kill one of its processes by SIGKILL, after which the server ends all others and recovers."""
        os.kill(pid, signal.SIGKILL)

    def _create_data(self) -> None:
        initdb = self._binaries / "initdb"
        words = [initdb, "--auth=trust", "--username=stockwire", "--no-sync", "--encoding=UTF8"]
        version = re.search(r"\d+", subprocess.check_output([initdb, "--version"], text=True))
        if version and int(version[0]) >= _ICU:
            # Most servers sort text by the rules of a language, and not by bytes as SQLite does.
            words += ["--locale-provider=icu", "--icu-locale=en-US"]
        words += ["--locale=C", f"--pgdata={self._folder / 'data'}"]
        subprocess.run(words, user=self._user, check=True, cwd=self._folder, stdout=subprocess.DEVNULL)

    def _wait_until_ready(self) -> None:
        assert self._process
        ready = [self._binaries / "pg_isready", "--quiet", "--host=127.0.0.1", f"--port={self._port}"]
        deadline = time.monotonic() + START_TIMEOUT
        while subprocess.run(ready, check=False).returncode:
            assert self._process.poll() is None, (self._folder / "log").read_text()
            assert time.monotonic() < deadline, "PostgreSQL did not start in time"
            time.sleep(0.1)


@contextmanager
def postgresql_server() -> Iterator[PostgresqlServer]:
    """Yield a running server. PostgreSQL must be installed."""
    binaries = _find_binaries()
    assert binaries
    folder = Path(tempfile.mkdtemp(prefix="stockwire-postgresql-"))
    user = None
    if os.geteuid() == 0:
        # PostgreSQL refuses to run as root.
        user = "postgres"
        shutil.chown(folder, user, user)
    server = PostgresqlServer(folder, binaries, user)
    watchdog = Watchdog([folder / PROCESS_FILE], folder / "watchdog.log")
    try:
        watchdog.start()
        server.start()
        yield server
    finally:
        server.stop()
        watchdog.stop()
        shutil.rmtree(folder)


def is_installed() -> bool:
    return _find_binaries() is not None


def _find_binaries() -> Path | None:
    places = [*sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)]
    found = shutil.which("initdb")
    if found:
        places.insert(0, Path(found).resolve().parent)
    for place in places:
        if (place / "initdb").exists() and (place / "postgres").exists():
            return place
    return None
