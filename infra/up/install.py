"""Find the RabbitMQ server on this machine, or install it if that needs no password."""

import os
import shutil
import subprocess
from pathlib import Path

from shared.cli.output import print_lines
from shared.errors import ProcessError
from shared.locks import file_lock
from shared.settings import VAR

# Seconds.
APT_TIMEOUT = 600

# Debian's wrapper in /usr/sbin runs only as root or rabbitmq. The script in /usr/lib runs as any user.
_FOLDERS = ("/usr/lib/rabbitmq/bin", "/opt/homebrew/sbin", "/usr/local/sbin", "/opt/rabbitmq/sbin")

INSTALL_OPTIONS = (
    "install RabbitMQ with one of: apt-get install rabbitmq-server · brew install rabbitmq"
    " · docker compose up -d rabbitmq · STOCKWIRE_AMQP_URL=amqp://user:password@host:5672/ for a server elsewhere"
)


def find_server() -> Path | None:
    """Return the path of RabbitMQ's start script, or None if RabbitMQ is not installed."""
    for folder in _FOLDERS:
        if (Path(folder) / "rabbitmq-server").exists():
            return Path(folder) / "rabbitmq-server"
    found = shutil.which("rabbitmq-server")
    return Path(found) if found else None


def install_server() -> Path:
    """Install Debian's package. Raises ProcessError, which lists every way to install, if a password is needed."""
    try:
        install_package("rabbitmq-server")
    except ProcessError as error:
        raise ProcessError(f"RabbitMQ does not answer, and {error}: {INSTALL_OPTIONS}") from error
    server = find_server()
    if server is None:
        raise ProcessError(f"rabbitmq-server is installed but its start script was not found: {INSTALL_OPTIONS}")
    return server


def install_package(name: str) -> None:
    """Install a Debian package as root or with sudo, and print a notice. Raises ProcessError."""
    apt_get = shutil.which("apt-get")
    prefix = _root_prefix()
    if apt_get is None or prefix is None:
        raise ProcessError(f"{name} is not installed, and apt-get cannot install it without a password")
    # RUNLEVEL=1 keeps the package from starting a server for the whole system.
    settings = ["env", "DEBIAN_FRONTEND=noninteractive", "RUNLEVEL=1"]
    install = ["install", "-y", "-qq", "--no-install-recommends", "-o", "DPkg::Lock::Timeout=300", name]
    with file_lock(VAR / "apt.lock", wait=APT_TIMEOUT):
        print_lines(f"stockwire: installing {name} with apt-get (once)")
        for words in (["update", "-qq"], install):
            command = [*prefix, *settings, apt_get, *words]
            done = subprocess.run(command, check=False, capture_output=True, text=True, stdin=subprocess.DEVNULL)
            if done.returncode:
                reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
                raise ProcessError(f"apt-get {words[0]} failed ({reason})")


def _root_prefix() -> list[str] | None:
    """Return the prefix that runs a command as root, or None if sudo would ask for a password."""
    if os.geteuid() == 0:
        return []
    sudo = shutil.which("sudo")
    if sudo and subprocess.run([sudo, "-n", "true"], check=False, capture_output=True).returncode == 0:
        return [sudo, "-n"]
    return None
