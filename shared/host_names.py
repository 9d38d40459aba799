"""Host names in URLs, checked before a connection needs them."""

import re

_MAX_NAME = 253  # characters
_LABEL = re.compile(r"[A-Za-z0-9_-]{1,63}")


def check_host(host: str) -> str:
    """Return the host name or IP address of a URL. Raises ValueError if no name server can know the name."""
    if ":" in host:
        _check_ipv6(host)
        return host
    try:
        # The form in which a name with other letters, such as ü, is looked up.
        name = host if host.isascii() else host.encode("idna").decode()
    except UnicodeError:
        name = ""
    labels = name.removesuffix(".").split(".")
    if len(name) > _MAX_NAME or not all(map(_LABEL.fullmatch, labels)):
        raise ValueError(f"has an invalid host name: {host[:40]!r}")
    return host


def _check_ipv6(host: str) -> None:
    from ipaddress import IPv6Address

    try:
        IPv6Address(host)
    except ValueError:
        raise ValueError(f"has an invalid IPv6 address: {host[:40]!r}") from None
