"""A PostgreSQL server for the tests, on loopback, with its data in a temporary folder."""

import json
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
from typing import Any

from infra.up.folders import PROCESS_FILE
from infra.up.orphans import end_orphans, record_processes
from infra.up.rabbitmq import free_port
from infra.up.watchdog import Watchdog
from tests.shared_servers import keep_until_end_of, started_once

START_TIMEOUT = 60
RECORD = "shared-postgresql.json"
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

    def start(self, owner: int | None = None) -> None:
        """Start it. It ends at the latest with the process `owner`, by default this one."""
        options = ["-c", "listen_addresses=127.0.0.1", "-c", f"port={self._port}"]
        options += ["-c", f"unix_socket_directories={self._folder}"]
        # The data does not have to survive a crash of the machine.
        options += ["-c", "fsync=off", "-c", "full_page_writes=off"]
        # Hundreds of small tables change all the time, and several workers of pytest connect.
        options += ["-c", "autovacuum=off", "-c", "max_connections=400"]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._binaries / "postgres", "-D", self._folder / "data", *options],
                user=self._user,
                cwd=self._folder,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        record_processes(self._folder / PROCESS_FILE, owner or os.getpid(), [self._process.pid])
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
    folder = _make_folder()
    server = PostgresqlServer(folder, *_binaries_and_user(folder))
    watchdog = Watchdog([folder / PROCESS_FILE], folder / "watchdog.log")
    try:
        watchdog.start()
        server.start()
        yield server
    finally:
        server.stop()
        watchdog.stop()
        shutil.rmtree(folder)


def shared_postgresql(run_folder: Path, owner: int) -> str:
    """Return the URL of the server of this run of pytest, started if it is not running yet.

    `owner` is the number of the process whose end is the end of the run.
    """

    def start() -> dict[str, Any]:
        folder = _make_folder()
        server = PostgresqlServer(folder, *_binaries_and_user(folder))
        keep_until_end_of(owner, server, folder / PROCESS_FILE)
        server.start(owner)
        return {"url": server.url, "folder": str(folder)}

    return str(started_once(run_folder / RECORD, start, START_TIMEOUT)["url"])


def end_shared_postgresql(run_folder: Path) -> None:
    """End the server of this run at once, if there is one: its data is not needed any more."""
    record = run_folder / RECORD
    if record.exists():
        folder = Path(json.loads(record.read_text())["folder"])
        end_orphans(folder / PROCESS_FILE, terminate_timeout=0)
        shutil.rmtree(folder, ignore_errors=True)


def _make_folder() -> Path:
    """Make a folder whose path is short enough for a socket."""
    return Path(tempfile.mkdtemp(prefix="stockwire-postgresql-"))


def _binaries_and_user(folder: Path) -> tuple[Path, str | None]:
    """Return the folder of the programs, and the user who runs them and owns `folder`."""
    binaries = _find_binaries()
    assert binaries
    if os.geteuid() != 0:
        return binaries, None
    # PostgreSQL refuses to run as root.
    shutil.chown(folder, "postgres", "postgres")
    return binaries, "postgres"


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
