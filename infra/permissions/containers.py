"""The entry point `python -m infra.permissions.containers`, which docker-compose.yml runs before RabbitMQ starts.

It writes RabbitMQ's definitions to one volume, and the URL of each process to a volume that only this process mounts.
"""

import json
import sys
from pathlib import Path

from infra.permissions.definitions import node_definitions
from infra.permissions.files import write_file, write_urls
from infra.permissions.users import process_users
from shared.cli.output import error_line, print_lines
from shared.errors import StockwireError
from shared.messaging.address import BrokerAddress
from shared.settings import load_settings

FOLDER = Path("/run")
# The volumes are of root, and the processes in the other containers are not root.
_READABLE = 0o644


def write_all(folder: Path, address: BrokerAddress) -> None:
    """Write `definitions/definitions.json` and `amqp/<process>/url`. Passwords stay. Raises SettingsError."""
    users = process_users()
    files = {user.process: folder / "amqp" / user.process / "url" for user in users}
    passwords = write_urls(files, address, users, _READABLE)
    definitions = node_definitions(users, passwords, address.virtual_host)
    write_file(folder / "definitions" / "definitions.json", json.dumps(definitions), _READABLE)


if __name__ == "__main__":
    try:
        write_all(FOLDER, load_settings().amqp_url)
    except StockwireError as error:
        sys.exit(error_line(error))
    print_lines("wrote the users of RabbitMQ and the URL of each process")
