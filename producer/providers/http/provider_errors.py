"""Errors of a provider: the message in an error answer, and the sentence that a user reads. Nothing here does I/O.

The APIs and the HTTP client raise errors with the details alone ("the price is missing"). `complete` makes a whole
sentence of the details, once per error, in the request sender.
"""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from producer.providers.http.apis.base import Api, Json
from producer.providers.http.parsing import next_minute, truncate
from shared.errors import (
    AuthenticationFailed,
    InvalidResponse,
    NoPrices,
    ProviderError,
    ProviderUnavailable,
    RateLimited,
    UnknownSymbol,
)
from shared.times import midnight_of

# Fields that hold the message of an error answer, of providers and of the gateways in front of them.
_MESSAGE_FIELDS = ("message", "error", "detail", "description", "Information", "Note", "Error Message")

# The first entry whose type matches is used: NoPrices is also an UnknownSymbol.
_SENTENCES: Mapping[type[ProviderError], str] = {
    AuthenticationFailed: "{provider} rejected the key in {key_setting}: {details}",
    RateLimited: "{provider} limits requests: {details}",
    NoPrices: "{provider} has no prices in this time range: {details}",
    UnknownSymbol: "{provider} cannot deliver this symbol: {details}",
    InvalidResponse: "{provider} sent an invalid response: {details}",
    ProviderUnavailable: "{provider} is unavailable: {details}",
    ProviderError: "{provider} failed: {details}",
}


def find_message(answer: Json) -> str:
    """Return the message of an error answer on one line, or an empty string if no usual field has one."""
    if not isinstance(answer, Mapping):
        return ""
    fields: Mapping[str, Any] = answer
    for name in _MESSAGE_FIELDS:
        value = fields.get(name)
        if isinstance(value, str) and value.strip():
            return truncate(value)
        if isinstance(value, Mapping) and (message := find_message(value)):
            return message
    return ""


def rate_limited(message: str, now: datetime, *, whole_day: bool = False) -> RateLimited:
    """Return the error for a rate limit per minute, or per day (UTC), that the provider reports with this message."""
    return RateLimited(message, midnight_of(now) + timedelta(days=1) if whole_day else next_minute(now))


def complete(error: ProviderError, api: Api, key_setting: str, redact: Callable[[str], str]) -> ProviderError:
    """Return the same kind of error with a whole sentence as its message, and without the key."""
    sentence = next(sentence for kind, sentence in _SENTENCES.items() if isinstance(error, kind))
    # Redact first: a cut-off key could pass unnoticed.
    details = redact(str(error)).rstrip(" .")
    message = sentence.format(provider=api.display_name, key_setting=key_setting, details=details)
    if isinstance(error, RateLimited):
        return RateLimited(with_retry_time(message, error.retry_at), error.retry_at)
    return type(error)(message)


def with_retry_time(message: str, retry_at: datetime) -> str:
    return f"{message}; next request after {retry_at:%Y-%m-%d %H:%M:%S} UTC"
