"""What an answer over HTTP comes to: its JSON, or the one error that it is."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from producer.providers.http.apis.base import Api, Json
from producer.providers.http.client import Response
from producer.providers.http.parsing import describe_text, next_minute, parse_json, truncate
from producer.providers.http.quota import DAY
from shared.accounts import KEYLESS
from shared.errors import (
    AuthenticationFailed,
    InvalidResponse,
    ProviderError,
    ProviderUnavailable,
    RateLimited,
    UnknownSymbol,
)
from shared.settings import PREFIX
from shared.times import midnight_of

# How long to wait where a provider limits us and does not say for how long: plans count by the minute.
_PAUSE = timedelta(minutes=1)
# Where in an error's JSON its words may stand, whoever sends it: providers, and the gateways before them.
_WORDS = ("message", "error", "detail", "description", "Information", "Note", "Error Message")


def read_response(api: Api, reply: Response, now: datetime) -> Json:
    """The JSON of an answer that is none of a failure. Raises ProviderError, with the provider's own words."""
    try:
        answer = parse_json(reply.text)
    except InvalidResponse as error:
        raise _judge_status(api.name, reply, describe_text(reply.text), now, is_json=False) or error from None
    found = api.read_error(reply.status, answer, now)
    if isinstance(found, RateLimited) and reply.retry_after is not None:
        raise RateLimited(str(found), now + _seconds(reply.retry_after))
    if found is None:
        found = _judge_status(api.name, reply, find_message(answer) or truncate(reply.text), now, is_json=True)
    if found is not None:
        raise found
    return answer


def find_message(answer: Json) -> str:
    """What an error's JSON says, where it says it in one of the usual places."""
    if not isinstance(answer, Mapping):
        return ""
    fields: Mapping[str, Any] = answer
    for name in _WORDS:
        value = fields.get(name)
        if isinstance(value, str) and value.strip():
            return truncate(value)
        if isinstance(value, Mapping) and (words := find_message(value)):
            return words
    return ""


def authentication_failed(name: str, words: str) -> AuthenticationFailed:
    """The error of a key that the provider `name` refuses in these words."""
    return AuthenticationFailed(f"refuses the key in {PREFIX}{name.upper()}_KEY: {words}")


def rate_limited(words: str, now: datetime, *, whole_day: bool = False) -> RateLimited:
    """The error of a limit a minute, or a day, that a provider names in these words."""
    until = midnight_of(now) + DAY if whole_day else next_minute(now)
    return RateLimited(f"limits us: {words}; asked again from {until:%H:%M:%S} UTC", until)


def _judge_status(name: str, reply: Response, words: str, now: datetime, *, is_json: bool) -> ProviderError | None:
    """What the status says where the provider has no way of its own to say it."""
    said = f"answers {reply.status} {reply.reason}".strip() + f": {words}"
    match reply.status:
        case 200:
            return None
        case 401 | 403:
            # A page is what stands between us and the API; where there is no key it is we who are turned away.
            transient = name in KEYLESS or reply.text.lstrip().startswith("<")
            return ProviderUnavailable(said) if transient else authentication_failed(name, words)
        case 404:
            return UnknownSymbol(words) if is_json else InvalidResponse(said)
        case 429:
            wait = _PAUSE if reply.retry_after is None else _seconds(reply.retry_after)
            return RateLimited(f"{said}; asked again from {now + wait:%H:%M:%S} UTC", now + wait)
        case status if status >= 500:
            return ProviderUnavailable(said)
    return InvalidResponse(said)


def _seconds(seconds: float) -> timedelta:
    # At least one: a limit that is over by now was not over when we were told of it.
    return timedelta(seconds=min(max(seconds, 1), 86_400))
