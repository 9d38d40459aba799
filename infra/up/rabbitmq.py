"""A private RabbitMQ node on free loopback ports, with its data in one folder."""

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from pathlib import Path

from infra.up.folders import PROCESS_FILE
from infra.up.install import find_server, install_server
from infra.up.node_data import adopt
from infra.up.orphans import end_orphans, record_processes
from infra.up.plain_paths import PlainPath
from infra.up.private_users import PrivateUsers
from infra.up.watchdog import Watchdog
from shared.errors import BrokerError, ProcessError
from shared.messaging.address import BrokerAddress
from shared.messaging.amqp.connection import connect

# Seconds.
START_TIMEOUT = 90
STOP_TIMEOUT = 30


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


@dataclass
class PrivateBroker:
    """A node and its port mapper (epmd). `folder` holds data, log and cookie.

    `username` and `password` are those of `address`. `owner` is the number of the process that the watchdog of the node
    watches, if it has one.
    """

    folder: Path
    server: Path
    name: str = "stockwire"
    amqp_port: int = field(default_factory=free_port)
    dist_port: int = field(default_factory=free_port)
    epmd_port: int = field(default_factory=free_port)
    username: str = "guest"
    password: str = field(default="guest", repr=False)
    extra_config: str = ""
    owner: int = field(default_factory=os.getpid)
    _processes: list[subprocess.Popen[bytes]] = field(default_factory=list)
    _plain_path: PlainPath = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._plain_path = PlainPath(self.folder)

    @property
    def address(self) -> BrokerAddress:
        return BrokerAddress("127.0.0.1", self.amqp_port, self.username, self.password)

    @property
    def node(self) -> str:
        return f"{self.name}@localhost"

    @property
    def environment(self) -> dict[str, str]:
        """The environment in which RabbitMQ's scripts, such as rabbitmqctl, use this node."""
        folder = self._plain_path.path
        return {
            "PATH": os.environ.get("PATH", ""),
            "LANG": os.environ.get("LANG", "C.UTF-8"),
            "HOME": str(folder),
            "ERL_EPMD_PORT": str(self.epmd_port),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODENAME": self.node,
            "RABBITMQ_DIST_PORT": str(self.dist_port),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
            "RABBITMQ_MNESIA_BASE": str(folder / "data"),
            "RABBITMQ_LOG_BASE": str(folder / "log"),
            "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
            "RABBITMQ_ADVANCED_CONFIG_FILE": str(folder / "advanced.config"),
            "RABBITMQ_CONF_ENV_FILE": str(folder / "rabbitmq-env.conf"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "enabled_plugins"),
            "RABBITMQ_PID_FILE": str(folder / "pid"),
            "RABBITMQ_ALLOW_INPUT": "",
        }

    def start(self) -> None:
        """Start the node and wait until it accepts connections. Raises ProcessError."""
        self._write_files()
        adopt(self._plain_path.path / "data")
        log = (self.folder / "log" / "console.log").open("ab")
        with log:
            for command in self.commands():
                self._processes.append(
                    subprocess.Popen(
                        command,
                        env=self.environment,
                        cwd=self.folder,
                        stdin=subprocess.DEVNULL,
                        stdout=log,
                        stderr=log,
                        start_new_session=True,
                    )
                )
                record_processes(self.process_file, self.owner, (process.pid for process in self._processes))
        try:
            self._wait_until_up()
        except BaseException:
            self.stop()
            raise

    def commands(self) -> list[list[str]]:
        """Return the commands of the port mapper and the node, in the order of their start. Raises ProcessError."""
        return [[_find_epmd(self.server), "-port", str(self.epmd_port), "-address", "127.0.0.1"], [str(self.server)]]

    @property
    def process_file(self) -> Path:
        return self.folder / PROCESS_FILE

    @property
    def running(self) -> bool:
        return bool(self._processes) and all(process.poll() is None for process in self._processes)

    def stop(self) -> None:
        """Send SIGTERM, and SIGKILL after STOP_TIMEOUT."""
        for process in reversed(self._processes):
            _stop_group(process)
        self._processes.clear()
        self.process_file.unlink(missing_ok=True)
        self._plain_path.remove()

    def kill(self) -> None:
        """Send SIGKILL: like a power loss, nothing is flushed and no connection is closed."""
        for process in reversed(self._processes):
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        self._processes.clear()

    def rabbitmqctl(self, *words: str) -> str:
        """Run rabbitmqctl for this node, and return its output. Raises ProcessError."""
        command = [str(self.server.with_name("rabbitmqctl")), "--quiet", *words]
        done = subprocess.run(command, env=self.environment, check=False, capture_output=True, text=True, timeout=60)
        if done.returncode:
            raise ProcessError(f"rabbitmqctl {words[0]} failed: {(done.stderr or done.stdout).strip()}")
        return done.stdout

    def _write_files(self) -> None:
        for folder in (self.folder / "data", self.folder / "log"):
            folder.mkdir(parents=True, exist_ok=True)
        # Messages and Erlang's cookie, which gives full control over the node, are for nobody else on this machine.
        self.folder.chmod(0o700)
        (self.folder / "rabbitmq.conf").write_text(
            f"listeners.tcp.1 = 127.0.0.1:{self.amqp_port}\n"
            "log.console = true\nlog.console.level = warning\nlog.file = false\n"
            "disk_free_limit.absolute = 50MB\n" + self.extra_config
        )
        (self.folder / "enabled_plugins").write_text("[].\n")
        (self.folder / "rabbitmq-env.conf").write_text("")

    def _wait_until_up(self) -> None:
        deadline = time.monotonic() + START_TIMEOUT
        while True:
            if any(process.poll() is not None for process in self._processes):
                raise ProcessError(f"RabbitMQ ended during its start: see {self.folder}/log/console.log")
            try:
                connect(self.address, "start").close_gracefully()
            except BrokerError:
                if time.monotonic() > deadline:
                    raise ProcessError(
                        f"RabbitMQ did not start within {START_TIMEOUT} s: see {self.folder}/log/console.log"
                    ) from None
                time.sleep(0.2)
            else:
                return


@contextmanager
def private_broker(
    folder: Path, *, watched: bool = False, users: PrivateUsers | None = None
) -> Iterator[PrivateBroker]:
    """Run a node with its data in `folder`. Installs RabbitMQ if it is missing. Raises ProcessError.

    Unless the caller has a watchdog for the node (`watched`), it gets one of its own. Without `users`, the node has
    RabbitMQ's default user, guest.
    """
    broker = PrivateBroker(folder, find_server() or install_server())
    if users:
        operator = users.address(broker.address)
        broker.username, broker.password = operator.username, operator.password
        broker.extra_config = users.write_definitions(folder)
    end_orphans(broker.process_file)
    with nullcontext() if watched else Watchdog([broker.process_file], folder / "log" / "watchdog.log"):
        broker.start()
        try:
            yield broker
        finally:
            broker.stop()


def _find_epmd(server: Path) -> str:
    found = shutil.which("epmd")
    if found:
        return found
    for folder in (server.resolve().parent, Path("/usr/lib/erlang/bin")):
        if (folder / "epmd").exists():
            return str(folder / "epmd")
    raise ProcessError("Erlang's port mapper epmd is not on the PATH: install the whole of Erlang")


def _stop_group(process: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    try:
        process.wait(STOP_TIMEOUT)
    except subprocess.TimeoutExpired:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
