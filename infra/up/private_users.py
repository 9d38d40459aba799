"""The users of a private RabbitMQ: one per process, with passwords that change at each start of `up`."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from infra.permissions.definitions import node_definitions
from infra.permissions.files import new_passwords, write_file
from infra.permissions.users import ProcessUser, process_users
from shared.messaging.address import BrokerAddress
from shared.setting_names import PREFIX

DEFINITIONS_FILE = "definitions.json"
# The processes of `up` by the name of their log, and the user of each. The producer is a worker with a beat in it.
_USERS = {"history": "history", "alerts": "alerts", "producer": "worker", "web": "web"}


@dataclass(frozen=True)
class PrivateUsers:
    """The users of one private node. The operator is the user of `up` itself and of the commands beside it."""

    users: list[ProcessUser] = field(default_factory=process_users)
    passwords: Mapping[str, str] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "passwords", new_passwords(self.users))

    def address(self, node: BrokerAddress, process: str = "operator") -> BrokerAddress:
        """Return the address of the node with the user of a process."""
        name = next(user.name for user in self.users if user.process == process)
        return replace(node, username=name, password=self.passwords[process])

    def environments(self, node: BrokerAddress) -> dict[str, dict[str, str]]:
        """Return the settings of each process of `up` that only this process gets."""
        return {name: {f"{PREFIX}AMQP_URL": self.address(node, process).setting()} for name, process in _USERS.items()}

    def write_definitions(self, folder: Path) -> str:
        """Write the definitions of the node to its folder, and return the line of configuration that loads them.

        Nobody but the owner can read the file. RabbitMQ loads it before it accepts connections, so there is no moment
        at which the password of guest is accepted. The node runs in the folder, so the name of the file is enough.
        """
        file = folder / DEFINITIONS_FILE
        write_file(file, json.dumps(node_definitions(self.users, self.passwords, "/")))
        return f"load_definitions = {DEFINITIONS_FILE}\n"
