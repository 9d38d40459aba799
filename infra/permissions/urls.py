"""Files with the AMQP URL of each process, which only their owner can read."""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from infra.permissions.users import ProcessUser
from shared.errors import SettingsError
from shared.messaging.address import BrokerAddress


def url_file(folder: Path, process: str) -> Path:
    return folder / f"{process}.url"


def write_urls(folder: Path, address: BrokerAddress, users: Sequence[ProcessUser], mode: int = 0o600) -> dict[str, str]:
    """Write the URL of each process to `<process>.url`, and return the passwords by process.

    A password that a file already has is kept, so that a running process can connect again. Raises SettingsError.
    """
    passwords = {user.process: _read_password(url_file(folder, user.process)) or new_password() for user in users}
    for user in users:
        own = replace(address, username=user.name, password=passwords[user.process])
        _write(url_file(folder, user.process), f"{own.setting()}\n", mode)
    return passwords


def new_passwords(users: Sequence[ProcessUser]) -> Mapping[str, str]:
    """Return a random password per process."""
    return {user.process: new_password() for user in users}


def new_password() -> str:
    return secrets.token_urlsafe(32)


def _read_password(file: Path) -> str | None:
    try:
        return BrokerAddress.parse(file.read_text().strip()).password
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise SettingsError(f"{file} cannot be read ({error}): delete it and run ./stockwire permissions") from error


def _write(file: Path, text: str, mode: int) -> None:
    """Replace the file as a whole, so that nobody reads half of it."""
    new_file = file.with_suffix(".new")
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        new_file.unlink(missing_ok=True)
        new_file.touch(mode=mode)
        new_file.write_text(text)
        new_file.replace(file)
    except OSError as error:
        raise SettingsError(f"{file} cannot be written: {error.strerror}") from error
