"""A PostgreSQL server for the tests, on loopback, with its data in a temporary folder."""

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from infra.up.folders import PROCESS_FILE
from infra.up.install import install_package
from infra.up.orphans import record_processes
from infra.up.rabbitmq import free_port
from infra.up.watchdog import Watchdog

START_TIMEOUT = 30


class NoServer(Exception):
    pass


@contextmanager
def postgresql_server() -> Iterator[str]:
    """Yield the server's URL for SQLAlchemy. Raises NoServer if PostgreSQL is not installed."""
    binaries = _find_binaries() or _install()
    folder = Path(tempfile.mkdtemp(prefix="stockwire-postgresql-"))
    user = None
    if os.geteuid() == 0:
        # PostgreSQL refuses to run as root.
        user = "postgres"
        shutil.chown(folder, user, user)
    port = free_port()
    data = folder / "data"
    initdb = [binaries / "initdb", "--auth=trust", "--username=stockwire", "--no-sync", "--pgdata", data]
    subprocess.run(initdb, user=user, check=True, cwd=folder, stdout=subprocess.DEVNULL)
    options = ["-c", "listen_addresses=127.0.0.1", "-c", f"port={port}", "-c", f"unix_socket_directories={folder}"]
    # The data does not have to survive a crash.
    options += ["-c", "fsync=off", "-c", "full_page_writes=off"]
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(
            [binaries / "postgres", "-D", data, *options],
            user=user,
            cwd=folder,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    record_processes(folder / PROCESS_FILE, os.getpid(), [server.pid])
    watchdog = Watchdog([folder / PROCESS_FILE], folder / "watchdog.log")
    try:
        watchdog.start()
        _wait_until_ready(binaries, port, server, folder)
        yield f"postgresql+psycopg://stockwire@127.0.0.1:{port}/postgres"
    finally:
        server.terminate()
        server.wait(30)
        watchdog.stop()
        shutil.rmtree(folder)


def _install() -> Path:
    """Install PostgreSQL under CI. On a user's machine raise NoServer instead of installing a database server."""
    if not os.environ.get("CI"):
        raise NoServer("PostgreSQL is not installed (apt-get install postgresql): nothing to test against")
    install_package("postgresql")
    binaries = _find_binaries()
    assert binaries, "PostgreSQL is installed and cannot be found"
    return binaries


def _find_binaries() -> Path | None:
    places = [*sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)]
    found = shutil.which("initdb")
    if found:
        places.insert(0, Path(found).resolve().parent)
    for place in places:
        if (place / "initdb").exists() and (place / "postgres").exists():
            return place
    return None


def _wait_until_ready(binaries: Path, port: int, server: "subprocess.Popen[bytes]", folder: Path) -> None:
    ready = [binaries / "pg_isready", "--quiet", "--host=127.0.0.1", f"--port={port}"]
    deadline = time.monotonic() + START_TIMEOUT
    while subprocess.run(ready, check=False).returncode:
        assert server.poll() is None, (folder / "log").read_text()
        assert time.monotonic() < deadline, "PostgreSQL did not start in time"
        time.sleep(0.1)
