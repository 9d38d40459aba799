"""Files with passwords: the AMQP URL of each process, and RabbitMQ's definitions."""

import os
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from infra.permissions.users import ProcessUser
from shared.errors import SettingsError
from shared.file_errors import explain_file_error
from shared.messaging.address import BrokerAddress

# Only the owner can read the file.
PRIVATE = 0o600


def write_urls(
    files: Mapping[str, Path], address: BrokerAddress, users: Sequence[ProcessUser], mode: int = PRIVATE
) -> dict[str, str]:
    """Write the URL of each process to its file, and return the passwords by process.

    A password that a file already has is kept, so that a running process can connect again. Raises SettingsError.
    """
    passwords = {user.process: _read_password(files[user.process]) or _new_password() for user in users}
    for user in users:
        own = replace(address, username=user.name, password=passwords[user.process])
        write_file(files[user.process], f"{own.setting()}\n", mode)
    return passwords


def write_file(file: Path, text: str, mode: int = PRIVATE) -> None:
    """Replace the file as a whole, so that nobody reads half of it. Raises SettingsError."""
    new_file = file.with_suffix(".new")
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        new_file.unlink(missing_ok=True)
        with os.fdopen(os.open(new_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w") as stream:
            stream.write(text)
        new_file.replace(file)
    except OSError as error:
        raise SettingsError(f"{file} cannot be written: {explain_file_error(error)}") from error


def new_passwords(users: Sequence[ProcessUser]) -> Mapping[str, str]:
    """Return a random password per process."""
    return {user.process: _new_password() for user in users}


def _new_password() -> str:
    return secrets.token_urlsafe(32)


def _read_password(file: Path) -> str | None:
    try:
        return BrokerAddress.parse(file.read_text().strip()).password
    except FileNotFoundError:
        return None
    except OSError as error:
        raise SettingsError(f"{file} cannot be read: {explain_file_error(error)}") from error
    except ValueError as error:
        raise SettingsError(f"{file} cannot be read ({error}): delete it and run this command again") from error
