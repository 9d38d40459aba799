"""Finding RabbitMQ's server on this machine, and installing it where that needs no question."""

import os
import shutil
import subprocess
from pathlib import Path

from shared.errors import ProcessError
from shared.locks import file_lock
from shared.settings import VAR

APT_TIMEOUT = 600

# Debian's wrapper in /usr/sbin insists on being root or rabbitmq; the script behind it runs as anybody.
_PLACES = ("/usr/lib/rabbitmq/bin", "/opt/homebrew/sbin", "/usr/local/sbin", "/opt/rabbitmq/sbin")

WAYS_TO_GET_ONE = (
    "get RabbitMQ by one of: apt-get install rabbitmq-server · brew install rabbitmq · docker compose up -d rabbitmq"
    " · STOCKWIRE_AMQP_URL=amqp://user:password@host:5672/ for one that runs elsewhere"
)


def find_server() -> Path | None:
    """RabbitMQ's own start script, where one is installed."""
    for place in _PLACES:
        if (Path(place) / "rabbitmq-server").exists():
            return Path(place) / "rabbitmq-server"
    found = shutil.which("rabbitmq-server")
    return Path(found) if found else None


def install_server() -> Path:
    """Install Debian's package where root or sudo can do it without a question, or say every way to get one."""
    try:
        install_package("rabbitmq-server")
    except ProcessError as error:
        raise ProcessError(f"no RabbitMQ answers, and {error}: {WAYS_TO_GET_ONE}") from error
    server = find_server()
    if server is None:
        raise ProcessError(f"rabbitmq-server is installed but its start script is in no known place: {WAYS_TO_GET_ONE}")
    return server


def install_package(name: str) -> None:
    """Install a Debian package, and say so. Raises ProcessError where that is not possible."""
    apt_get = shutil.which("apt-get")
    prefix = _as_root()
    if apt_get is None or prefix is None:
        raise ProcessError(f"{name} is not installed, and apt-get cannot install it here without being asked")
    # RUNLEVEL=1 keeps an init script from starting the service system-wide: ours is private.
    settings = ["env", "DEBIAN_FRONTEND=noninteractive", "RUNLEVEL=1"]
    install = ["install", "-y", "-qq", "--no-install-recommends", "-o", "DPkg::Lock::Timeout=300", name]
    with file_lock(VAR / "apt.lock", wait=APT_TIMEOUT):
        print(f"stockwire: installing {name} with apt-get (once)", flush=True)
        for words in (["update", "-qq"], install):
            command = [*prefix, *settings, apt_get, *words]
            done = subprocess.run(command, check=False, capture_output=True, text=True, stdin=subprocess.DEVNULL)
            if done.returncode:
                reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
                raise ProcessError(f"apt-get {words[0]} failed ({reason})")


def _as_root() -> list[str] | None:
    """What to put before a command to run it as root; None where that would ask for a password."""
    if os.geteuid() == 0:
        return []
    sudo = shutil.which("sudo")
    if sudo and subprocess.run([sudo, "-n", "true"], check=False, capture_output=True).returncode == 0:
        return [sudo, "-n"]
    return None
