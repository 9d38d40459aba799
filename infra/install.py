"""Finding RabbitMQ's server on this machine, and installing it where that needs no question."""

import os
import shutil
import subprocess
from pathlib import Path

from shared.errors import ProcessError

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
    apt_get = shutil.which("apt-get")
    prefix = _as_root()
    if apt_get is None or prefix is None:
        raise ProcessError(f"no RabbitMQ answers and none is installed: {WAYS_TO_GET_ONE}")
    print("stockwire: installing rabbitmq-server with apt-get (once)", flush=True)
    # RUNLEVEL=1 keeps the package from starting a system-wide broker: this one is ours alone.
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    for words in (["update", "-qq"], ["install", "-y", "-qq", "--no-install-recommends", "rabbitmq-server"]):
        done = subprocess.run(
            [*prefix, apt_get, *words],
            env=environment,
            check=False,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
        )
        if done.returncode:
            reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
            raise ProcessError(f"apt-get {words[0]} failed ({reason}): {WAYS_TO_GET_ONE}")
    server = find_server()
    if server is None:
        raise ProcessError(
            f"rabbitmq-server is installed but its start script is nowhere to be found: {WAYS_TO_GET_ONE}"
        )
    return server


def _as_root() -> list[str] | None:
    if os.geteuid() == 0:
        return []
    sudo = shutil.which("sudo")
    if sudo and subprocess.run([sudo, "-n", "true"], check=False, capture_output=True).returncode == 0:
        return [sudo, "-n", "--preserve-env=DEBIAN_FRONTEND,RUNLEVEL"]
    return None
