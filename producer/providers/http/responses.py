"""The result of an HTTP response: its JSON, or the provider error that it stands for."""

from datetime import datetime, timedelta

from producer.providers.http.apis.base import Api, Json
from producer.providers.http.client import Response
from producer.providers.http.parsing import describe_text, parse_json, truncate
from producer.providers.http.provider_errors import find_message
from shared.accounts import KEYLESS
from shared.errors import (
    AuthenticationFailed,
    InvalidResponse,
    ProviderError,
    ProviderUnavailable,
    RateLimited,
    UnknownSymbol,
    UnreadableResponse,
)

# The wait after a 429 without a Retry-After header: quotas are per minute.
_DEFAULT_WAIT = timedelta(minutes=1)
_MAX_WAIT_SECONDS = 86_400


def read_response(api: Api, response: Response, now: datetime) -> Json:
    """Return the JSON of a successful response. Raises ProviderError with the details of any other response."""
    try:
        answer = parse_json(response.text)
    except UnreadableResponse as error:
        raise _status_error(api.name, response, describe_text(response.text), now, is_json=False) or error from None
    found = api.read_error(response.status, answer, now)
    if isinstance(found, RateLimited) and response.retry_after is not None:
        raise RateLimited(str(found), now + _wait(response.retry_after))
    if found is None:
        message = find_message(answer) or truncate(response.text)
        found = _status_error(api.name, response, message, now, is_json=True)
    if found is not None:
        raise found
    return answer


def _status_error(name: str, response: Response, message: str, now: datetime, *, is_json: bool) -> ProviderError | None:
    """Return the error that the status code stands for, or None for 200."""
    details = f"HTTP {response.status} {response.reason}".strip() + f": {message}"
    match response.status:
        case 200:
            return None
        case 401 | 403:
            # An HTML page comes from a gateway in front of the API, and a provider without keys cannot reject a key.
            is_page = response.text.lstrip().startswith("<")
            return ProviderUnavailable(details) if name in KEYLESS or is_page else AuthenticationFailed(message)
        case 404:
            return UnknownSymbol(message) if is_json else InvalidResponse(details)
        case 429:
            wait = _DEFAULT_WAIT if response.retry_after is None else _wait(response.retry_after)
            return RateLimited(details, now + wait)
        case status if status >= 500:
            return ProviderUnavailable(details)
    return InvalidResponse(details)


def _wait(retry_after: float) -> timedelta:
    """Return the time to wait, at least a second: Retry-After may have passed on the way."""
    return timedelta(seconds=min(max(retry_after, 1), _MAX_WAIT_SECONDS))
