"""Users of the tests' RabbitMQ with chosen permissions, and the commands of `rabbitmqctl` that a message names."""

import shlex
import uuid
from dataclasses import dataclass, replace

from infra.up.rabbitmq import PrivateBroker
from shared.messaging.address import BrokerAddress
from shared.messaging.permissions import Permissions, whole_name_pattern
from shared.messaging.topology import EXCHANGE
from tests.shared_rabbitmq import evaluate, make_virtual_host

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
        general = ", ".join(_binary(whole_name_pattern(each)) for each in names)
        topics = ", ".join(_binary(whole_name_pattern(each)) for each in keys)
        evaluate(
            self.node,
            f"rabbit_auth_backend_internal:set_permissions({_binary(name)}, {_binary(host)}, {general},"
            f' <<"tests">>), rabbit_auth_backend_internal:set_topic_permissions({_binary(name)}, {_binary(host)},'
            f' {_binary(EXCHANGE)}, {topics}, <<"tests">>).',
        )

    def run_named_command(self, message: str) -> str:
        """Run the command of rabbitmqctl at the end of a message, and return the command."""
        before, found, command = message.rpartition("rabbitmqctl ")
        assert found, f"names no command: {message}"
        assert before.endswith(": "), message
        self.node.rabbitmqctl(*shlex.split(command))
        return command


def broker_users(node: PrivateBroker) -> BrokerUsers:
    """Return the users of a new, empty virtual host, which so far has only guest."""
    return BrokerUsers(node, replace(node.address, virtual_host=make_virtual_host(node)))


def _binary(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'<<"{escaped}">>'
