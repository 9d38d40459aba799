"""The command `stockwire permissions`: one RabbitMQ user per process, by `rabbitmqctl`."""

import ipaddress
import json
import shlex
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated

import typer

from infra.permissions.definitions import topology_definitions, user_definitions
from infra.permissions.files import write_urls
from infra.permissions.users import ProcessUser, process_users
from infra.up.install import find_server
from shared.cli.output import print_lines
from shared.errors import ProcessError, SettingsError
from shared.messaging.address import BrokerAddress
from shared.settings import ROOT, VAR, is_private_broker, load_settings

FOLDER = VAR / "amqp"
# Seconds.
_TIMEOUT = 120


@dataclass(frozen=True)
class Line:
    """A call of rabbitmqctl with its standard input. A password is never an argument, because `ps` shows arguments."""

    words: Sequence[str]
    stdin: str = ""

    def __str__(self) -> str:
        call = shlex.join(self.words)
        return f"printf '%s' {shlex.quote(self.stdin)} | {call}" if self.stdin else call


def permissions(
    apply: Annotated[
        bool, typer.Option("--apply", help="Run the lines on this machine instead of printing them.")
    ] = False,
) -> None:
    """Print or run the rabbitmqctl lines for one RabbitMQ user per process.

    Each user may do what its process needs and no more. The AMQP URL of each process, with its password, is written to
    a file in var/amqp/ that only its owner can read.
    """
    address = load_settings().amqp_url
    if apply:
        _check_is_local(address)
    users = process_users()
    files = {user.process: FOLDER / f"{user.process}.url" for user in users}
    lines = list(permission_lines(users, write_urls(files, address, users), address.virtual_host))
    for line in lines:
        if apply:
            run_line(line)
        else:
            print_lines(str(line))
    verb = "applied" if apply else "to apply them here: ./stockwire permissions --apply"
    print_lines(f"{len(users)} users, {verb}; their URLs are in {FOLDER.relative_to(ROOT)}/", error=True)


def permission_lines(users: Sequence[ProcessUser], passwords: dict[str, str], virtual_host: str) -> Iterator[Line]:
    """Yield the lines that add the users, the exchanges, the queues and the bindings, and then grant the permissions.

    The lines may run again: they change only what differs.
    """
    definitions = {**user_definitions(users, passwords), **topology_definitions(virtual_host)}
    yield Line(("rabbitmqctl", "import_definitions"), json.dumps(definitions))
    for user in users:
        yield Line(shlex.split(user.permissions.set_permissions(user.name, virtual_host)))
        yield Line(shlex.split(user.permissions.set_topic_permissions(user.name, virtual_host)))


def run_line(line: Line) -> None:
    """Run a line. Raises ProcessError with the reason that rabbitmqctl gives."""
    command = [_find_rabbitmqctl(), "--quiet", *line.words[1:]]
    try:
        done = subprocess.run(command, input=line.stdin, check=False, capture_output=True, text=True, timeout=_TIMEOUT)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ProcessError(f"rabbitmqctl {line.words[1]} failed ({error}): is RabbitMQ running here?") from error
    if done.returncode:
        reason = " ".join((done.stderr or done.stdout).split())[:300]
        raise ProcessError(
            f"rabbitmqctl {line.words[1]} failed ({reason}): run as root, on the machine of RabbitMQ,"
            " ./stockwire permissions | sh"
        )


def _check_is_local(address: BrokerAddress) -> None:
    """Raise SettingsError if rabbitmqctl on this machine does not reach the broker of the settings."""
    if is_private_broker(address):
        raise SettingsError("the private RabbitMQ of ./stockwire up has these users already: nothing to do")
    try:
        local = ipaddress.ip_address(address.host).is_loopback
    except ValueError:
        local = address.host == "localhost"
    if not local:
        raise SettingsError(
            f"RabbitMQ at {address} is on another machine: run the output of ./stockwire permissions there, as root"
        )


def _find_rabbitmqctl() -> str:
    """Return the path of rabbitmqctl. Raises ProcessError if it is not installed."""
    if found := shutil.which("rabbitmqctl"):
        return found
    server = find_server()
    if server is None:
        raise ProcessError(
            "rabbitmqctl is not installed here: run the output of ./stockwire permissions on the machine of RabbitMQ"
        )
    return str(server.with_name("rabbitmqctl"))
