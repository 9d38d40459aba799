"""The process of `up` that serves the HTTP API and the page, and the token that changes over HTTP need."""

import secrets
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from infra.permissions.files import write_file
from shared.errors import SettingsError
from shared.file_errors import explain_file_error
from shared.http_address import HttpAddress, listen, parse_token
from shared.setting_names import PREFIX
from shared.settings import VAR, Settings

WEB = "web"
COMMAND = [sys.executable, "-m", "infra", "serve"]
TOKEN_FILE = VAR / "api-token"


@dataclass(frozen=True)
class WebProcess:
    """The address of the page, and the settings that only this process gets. `notices` are for the user of `up`."""

    address: HttpAddress
    environment: Mapping[str, str] = field(repr=False)
    notices: tuple[str, ...] = field(repr=False)


def prepare_web(settings: Settings) -> WebProcess:
    """Return the process to start at the address of the settings, which is not off.

    Without a token in the settings it gets a random one, which a file keeps for the next `up`. Raises ProcessError if
    nothing can listen at the address, and SettingsError if the file cannot be used.
    """
    if settings.http is None:
        raise SettingsError("STOCKWIRE_HTTP is off")
    with listen(settings.http) as listening:
        address = HttpAddress(settings.http.host, listening.getsockname()[1])
    environment = {f"{PREFIX}HTTP": str(address)}
    notices = [f"page and API at {address.url()}"]
    if settings.api_token is None:
        token = keep_token(TOKEN_FILE)
        environment[f"{PREFIX}API_TOKEN"] = token
        notices.append(f"changes over HTTP need the token {token} (from {TOKEN_FILE.relative_to(VAR.parent)})")
    return WebProcess(address, environment, tuple(notices))


def keep_token(file: Path) -> str:
    """Return the token in a file that only its owner can read, and make both if necessary. Raises SettingsError."""
    try:
        found = parse_token(file.read_text())
    except FileNotFoundError:
        found = None
    except (OSError, ValueError) as error:
        reason = explain_file_error(error) if isinstance(error, OSError) else str(error)
        raise SettingsError(f"{file} cannot be used ({reason}): delete it, and start again") from error
    token = found or secrets.token_urlsafe(32)
    write_file(file, f"{token}\n")
    return token
