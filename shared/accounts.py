"""Accounts at market data providers: where each is reached, with what key, and what its plan allows."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlsplit

UNLIMITED = "unlimited"


@dataclass(frozen=True)
class Account:
    """`url` is where the API's paths begin; `key` is never shown.

    `per_minute` and `per_day` (of UTC) are the credits that the plan gives, None where it sets no limit.
    """

    url: str
    key: str = field(default="", repr=False)
    per_minute: int | None = None
    per_day: int | None = None


# The free plans, and where the APIs are: what holds where no setting says otherwise.
ACCOUNTS: Mapping[str, Account] = {
    "twelvedata": Account("https://api.twelvedata.com", per_minute=8, per_day=800),
    "yahoo": Account("https://query1.finance.yahoo.com"),
    "finnhub": Account("https://finnhub.io/api/v1", per_minute=60),
    "alphavantage": Account("https://www.alphavantage.co", per_minute=5, per_day=25),
    "massive": Account("https://api.massive.com", per_minute=5),
}

# What is asked without a key.
KEYLESS = frozenset({"yahoo"})

# The end of each setting's name, behind the provider's.
FIELDS = ("URL", "KEY", "PER_MINUTE", "PER_DAY")


def change_account(account: Account, field_name: str, text: str) -> Account:
    """The account with this one of FIELDS as `text` says; empty text changes nothing. Raises ValueError."""
    text = text.strip()
    if not text:
        return account
    changes: dict[str, Any] = {field_name.lower(): _PARSERS[field_name](text)}
    return replace(account, **changes)


def describe_limits(account: Account) -> str:
    """`credits: 8 a minute and 800 a day`, or what else the plan allows."""
    limits = ((account.per_minute, "a minute"), (account.per_day, "a day"))
    words = [f"{limit:,} {period}" for limit, period in limits if limit is not None]
    return "no limit that is known" if not words else f"credits: {' and '.join(words)}"


def parse_url(text: str) -> str:
    try:
        parts = urlsplit(text)
        usable = parts.scheme in ("http", "https") and parts.hostname and not parts.username and parts.port != 0
    except ValueError:
        usable = False
    if not usable or parts.query or parts.fragment:
        raise ValueError("is not the URL of an API such as https://api.twelvedata.com")
    return text.rstrip("/")


def parse_key(text: str) -> str:
    # Without the text, which is a secret.
    if not text.isascii() or not text.isprintable() or " " in text:
        raise ValueError("is no key: it has spaces or other characters that no key has")
    return text


def parse_limit(text: str) -> int | None:
    if text.lower() == UNLIMITED:
        return None
    if not text.isdecimal() or not text.isascii() or not 0 < len(text) < 10 or not int(text):
        raise ValueError(f"{text[:40]!r} is neither a whole number of 1 or more nor {UNLIMITED!r}")
    return int(text)


_PARSERS = {"URL": parse_url, "KEY": parse_key, "PER_MINUTE": parse_limit, "PER_DAY": parse_limit}
