"""The settings of the HTTP API: the address that it is served at, its host names, and the token."""

import re
import socket
from typing import NamedTuple

from shared.errors import ProcessError
from shared.host_names import check_host

OFF = "off"

_MAX_PORT = 65535
_BACKLOG = 2048
_ADDRESS = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^\[\]:/@\s]+):(\d{1,5})", re.ASCII)
# Characters that a header can have, without a blank.
_TOKEN = re.compile(r"[!-~]{1,512}")


class HttpAddress(NamedTuple):
    """A host name or IP address, without the brackets of IPv6, and a port. Port 0 stands for any free port."""

    host: str
    port: int

    def __str__(self) -> str:
        """Return the text that `parse_http` reads back."""
        return f"{in_brackets(self.host)}:{self.port}"

    def url(self) -> str:
        """Return the URL for a browser on this machine."""
        name = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)  # noqa: S104 - nothing is bound here
        return f"http://{in_brackets(name)}:{self.port}/"


def parse_http(text: str) -> HttpAddress | None:
    """Return the address of `HOST:PORT`, or None for `off`. Raises ValueError."""
    text = text.strip()
    if text.lower() == OFF:
        return None
    match = _ADDRESS.fullmatch(text)
    if match is None:
        raise ValueError(f"{text[:60]!r} is neither HOST:PORT, such as 127.0.0.1:8000, nor {OFF}")
    return HttpAddress(check_host(match[1].strip("[]")), check_port(int(match[2])))


def check_port(port: int) -> int:
    """Return a port. Raises ValueError."""
    if not 0 <= port <= _MAX_PORT:
        raise ValueError(f"{port} is not a port: use 0 to {_MAX_PORT}")
    return port


def parse_http_hosts(text: str) -> tuple[str, ...]:
    """Return the host names of `prices.example.org, 192.168.1.5`, in lower case. Raises ValueError."""
    names = (part.strip().strip("[]").lower() for part in text.split(","))
    return tuple(dict.fromkeys(check_host(name) for name in names if name))


def parse_token(text: str) -> str | None:
    """Return the token, or None for empty text. Raises ValueError, without the token in its message."""
    token = text.strip()
    if not token:
        return None
    if not _TOKEN.fullmatch(token):
        raise ValueError("is not a token: use 1 to 512 printable ASCII characters without blanks")
    return token


def in_brackets(host: str) -> str:
    """Return a host as it stands in a URL: an IPv6 address in brackets."""
    return f"[{host}]" if ":" in host else host


def listen(address: HttpAddress) -> socket.socket:
    """Return a listening socket. Raises ProcessError with one line about what to do."""
    try:
        family, *_ = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)[0]
        return socket.create_server((address.host, address.port), family=family, backlog=_BACKLOG)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise ProcessError(
            f"HTTP cannot be served at {address}: {reason}; set STOCKWIRE_HTTP to another HOST:PORT, or to off"
        ) from error
