"""Users of the tests' RabbitMQ with chosen permissions, and the commands of `rabbitmqctl` that a message names."""

import shlex
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from infra.up.rabbitmq import PrivateBroker
from shared.messaging.address import BrokerAddress
from shared.messaging.permissions import Permissions, whole_name_pattern
from shared.messaging.topology import EXCHANGE
from tests.shared_rabbitmq import evaluate, virtual_host

EVERYTHING = Permissions(*[(".*",)] * 5)


@dataclass(frozen=True)
class BrokerUsers:
    """Users of one virtual host. Each has its name as its password."""

    node: PrivateBroker
    administrator: BrokerAddress

    def add(self, permissions: Permissions, name: str = "") -> BrokerAddress:
        """Add a user with these permissions, by default with a new name, and return its address."""
        name = name or f"user-{uuid.uuid4().hex[:8]}"
        evaluate(
            self.node,
            f"rabbit_auth_backend_internal:put_user(#{{name => {_binary(name)}, password => {_binary(name)},"
            f' tags => <<>>}}, <<"tests">>).',
        )
        self.grant(name, permissions)
        return replace(self.administrator, username=name, password=name)

    def grant(self, name: str, permissions: Permissions) -> None:
        host = self.administrator.virtual_host
        names = (permissions.configure, permissions.write, permissions.read)
        keys = (permissions.publishes, permissions.binds)
        self._set("set_permissions", name, host, *map(whole_name_pattern, names))
        self._set("set_topic_permissions", name, host, EXCHANGE, *map(whole_name_pattern, keys))

    def revoke(self, name: str) -> None:
        host = self.administrator.virtual_host
        evaluate(
            self.node,
            f'rabbit_auth_backend_internal:clear_permissions({_binary(name)}, {_binary(host)}, <<"tests">>).',
        )

    def run_named_command(self, message: str) -> str:
        """Run the command of rabbitmqctl at the end of a message, and return the command."""
        command = named_command(message)
        self.node.rabbitmqctl(*shlex.split(command))
        return command

    def obey_named_command(self, message: str) -> str:
        """Do in the node what the command at the end of a message does, and return the command.

        It takes a hundredth of the time of rabbitmqctl, which tests/acceptance/test_permissions.py runs.
        """
        command = named_command(message)
        self.obey(*shlex.split(command))
        return command

    def obey(self, *words: str) -> None:
        """Do in the node what `rabbitmqctl WORDS` does, if it grants permissions."""
        match words:
            case ["set_permissions" | "set_topic_permissions" as action, "-p", host, name, first, write, read]:
                self._set(action, name, host, first, write, read)
            case _:
                raise AssertionError(f"this command grants no permissions: {shlex.join(words)}")

    def _set(self, action: str, *words: str) -> None:
        arguments = ", ".join(map(_binary, words))
        evaluate(self.node, f'rabbit_auth_backend_internal:{action}({arguments}, <<"tests">>).')


def named_command(message: str) -> str:
    """Return the command of rabbitmqctl at the end of a message."""
    before, found, command = message.rpartition("rabbitmqctl ")
    assert found, f"names no command: {message}"
    assert before.endswith(": "), message
    return command


@contextmanager
def broker_users(node: PrivateBroker) -> Iterator[BrokerUsers]:
    """Yield the users of an empty virtual host, which so far has only guest."""
    with virtual_host(node) as administrator:
        yield BrokerUsers(node, administrator)


def _binary(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'<<"{escaped}">>'
