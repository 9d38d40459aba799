"""A target: a name for the URL that alerts are sent to, with a secret and limits."""

import re
from dataclasses import dataclass, field
from datetime import timedelta
from urllib.parse import urlsplit

from shared.times import format_duration, parse_duration

DEFAULT_TTL = timedelta(hours=1)
MAX_TTL = timedelta(days=7)
MAX_NAME = 64
MAX_URL = 4096
# Each target has a thread while messages are sent to it.
MAX_TARGETS = 100
MAX_AT_MOST = 10_000
# Sent deliveries, from which the rate follows, are kept longer than this.
MAX_PERIOD = timedelta(days=1)

WEBHOOK_SCHEMES = ("http", "https")

_NAME = re.compile(rf"[A-Za-z0-9][A-Za-z0-9._-]{{0,{MAX_NAME - 1}}}", re.ASCII)
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://", re.ASCII)
_AT_MOST = re.compile(r"([1-9][0-9]{0,8})/(.+)", re.ASCII)


@dataclass(frozen=True, slots=True)
class RateLimit:
    """At most `count` messages per `period`: `10/1m`."""

    count: int
    period: timedelta

    @classmethod
    def parse(cls, text: str) -> "RateLimit":
        """Return the limit of `10/1m`. Raises ValueError."""
        match = _AT_MOST.fullmatch(text.strip())
        if not match or int(match[1]) > MAX_AT_MOST:
            raise ValueError(
                f"{text[:40]!r} is not a limit such as 10/1m: write a number up to {MAX_AT_MOST} and a duration"
            )
        period = parse_duration(match[2])
        if period > MAX_PERIOD:
            raise ValueError(f"{text[:40]!r} is a limit over more than {format_duration(MAX_PERIOD)}")
        return cls(int(match[1]), period)

    def __str__(self) -> str:
        return f"{self.count}/{format_duration(self.period)}"


@dataclass(frozen=True, slots=True)
class Target:
    """A stored target. The URL and the secret are left out of its text, so that no log or error shows them."""

    id: int
    name: str
    url: str = field(repr=False)
    secret: str | None = field(repr=False, default=None)
    at_most: RateLimit | None = None
    ttl: timedelta = DEFAULT_TTL
    disabled_reason: str | None = None

    @property
    def is_webhook(self) -> bool:
        return is_webhook(self.url)

    @property
    def address(self) -> str:
        """The part of the URL that may be shown."""
        return redact_url(self.url)


def is_webhook(url: str) -> bool:
    """Return True for http(s) URLs, which get webhooks; everything else goes to apprise."""
    return scheme_of(url) in WEBHOOK_SCHEMES


def scheme_of(url: str) -> str:
    """Return the scheme in lower case, or empty text if there is none."""
    match = _SCHEME.match(url)
    return match[1].lower() if match else ""


def redact_url(url: str) -> str:
    """Return scheme and host of a webhook's URL. Of any other only the scheme: its host may be a token or a topic."""
    scheme = scheme_of(url)
    if scheme not in WEBHOOK_SCHEMES:
        return f"{scheme}://…"
    parts = urlsplit(url)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    return f"{scheme}://{host}" + (f":{parts.port}" if parts.port else "")


def check_target_name(name: str) -> str:
    """Return the name of a target. Raises ValueError."""
    if not _NAME.fullmatch(name):
        raise ValueError(
            f"target name {name[:40]!r} is not valid: use 1-{MAX_NAME} letters, digits, dots, hyphens or underscores"
        )
    return name


def check_url(url: str) -> str:
    """Return a URL without the spaces around it. Raises ValueError, whose text does not repeat the URL."""
    url = url.strip()
    if not scheme_of(url) or len(url) > MAX_URL or not url.isprintable() or " " in url:
        raise ValueError(
            "the target's URL is not valid: write https://HOST/PATH, or a URL of apprise such as ntfy://TOPIC"
        )
    if is_webhook(url):
        _check_webhook(url)
    return url


def _check_webhook(url: str) -> None:
    try:
        parts = urlsplit(url)
        # Reading the port checks it.
        valid = bool(parts.hostname) and parts.port != 0
    except ValueError:
        valid = False
    if not valid:
        raise ValueError(
            "the target's URL has no valid host and port: write https://HOST/PATH or https://HOST:PORT/PATH"
        )


def check_ttl(ttl: timedelta) -> timedelta:
    """Return the time after which an alert is given up. Raises ValueError."""
    if ttl > MAX_TTL:
        raise ValueError(f"a ttl of {format_duration(ttl)} is too long: use at most {format_duration(MAX_TTL)}")
    return ttl
