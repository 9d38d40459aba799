"""Accounts at market data providers: the URL of the API, the key, and the limits of the plan."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlsplit

from shared.host_names import check_host

UNLIMITED = "unlimited"


@dataclass(frozen=True)
class Account:
    """`url` is the base URL of the API. `key` is never printed.

    `per_minute` and `per_day` (UTC) are the plan's limits in credits, or None if there is no limit.
    """

    url: str
    key: str = field(default="", repr=False)
    per_minute: int | None = None
    per_day: int | None = None

    def fingerprint(self, provider: str) -> str:
        """Return a name for the account that differs by key and URL, and does not reveal the key."""
        digest = hashlib.blake2b(f"{self.url}\n{self.key}".encode(), digest_size=6)
        return f"{provider}:{digest.hexdigest()}"


# The defaults: the APIs' URLs, and the limits of the free plans.
ACCOUNTS: Mapping[str, Account] = {
    "twelvedata": Account("https://api.twelvedata.com", per_minute=8, per_day=800),
    "yahoo": Account("https://query1.finance.yahoo.com"),
    "finnhub": Account("https://finnhub.io/api/v1", per_minute=60),
    "alphavantage": Account("https://www.alphavantage.co", per_minute=5, per_day=25),
    "massive": Account("https://api.massive.com", per_minute=5),
}

# Providers that need no key.
KEYLESS = frozenset({"yahoo"})

# The ends of the settings' names: STOCKWIRE_<PROVIDER>_<FIELD>.
FIELDS = ("URL", "KEY", "PER_MINUTE", "PER_DAY")


def change_account(account: Account, field_name: str, text: str) -> Account:
    """Return the account with one of FIELDS set from `text`; empty text changes nothing. Raises ValueError."""
    text = text.strip()
    if not text:
        return account
    changes: dict[str, Any] = {field_name.lower(): _PARSERS[field_name](text)}
    return replace(account, **changes)


def describe_limits(account: Account) -> str:
    """Return the limits in words: `8 credits per minute and 800 per day`, or `no known limit`."""
    limits = ((account.per_minute, "minute"), (account.per_day, "day"))
    known = [(limit, period) for limit, period in limits if limit is not None]
    if not known:
        return "no known limit"
    (first, period), *others = known
    unit = "credit" if first == 1 else "credits"
    return " and ".join([f"{first:,} {unit} per {period}", *(f"{limit:,} per {period}" for limit, period in others)])


def parse_url(text: str) -> str:
    try:
        parts = urlsplit(text)
        usable = parts.scheme in ("http", "https") and parts.hostname and not parts.username and parts.port != 0
    except ValueError:
        usable = False
    if not usable or parts.query or parts.fragment:
        raise ValueError("is not a base URL such as https://api.twelvedata.com")
    check_host(parts.hostname or "")
    return text.rstrip("/")


def parse_key(text: str) -> str:
    # The message must not quote the text, which is a secret.
    if not text.isascii() or not text.isprintable() or " " in text:
        raise ValueError("is not a valid key: keys have only visible ASCII characters without spaces")
    return text


def parse_limit(text: str) -> int | None:
    if text.lower() == UNLIMITED:
        return None
    if not text.isdecimal() or not text.isascii() or not 0 < len(text) < 10 or not int(text):
        raise ValueError(f"{text[:40]!r} is neither a whole number of at least 1 nor {UNLIMITED!r}")
    return int(text)


_PARSERS = {"URL": parse_url, "KEY": parse_key, "PER_MINUTE": parse_limit, "PER_DAY": parse_limit}
