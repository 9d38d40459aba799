"""The errors of the HTTP libraries as errors of a provider."""

import requests
import urllib3

from shared.errors import ProviderUnavailable, UnreadableResponse
from shared.http.deadline import Deadline
from shared.http.request_errors import describe_request_error

_DECODING_ERRORS = (requests.exceptions.ContentDecodingError, urllib3.exceptions.DecodeError)
_ADVICE = "check the provider's URL in the settings"
# The settings check our own URL, so the URL is from a redirect.
_INVALID_URL = "{host} redirects to an invalid URL"


def explain_request_error(
    error: Exception, host: str, timeout: float, deadline: Deadline
) -> ProviderUnavailable | UnreadableResponse:
    """Return our own error for one of REQUEST_ERRORS; `timeout` is the longest wait for a piece of an answer."""
    if isinstance(error, _DECODING_ERRORS) and deadline.remaining:
        return UnreadableResponse("the body does not match its Content-Encoding")
    message = describe_request_error(error, host, timeout, deadline, advice=_ADVICE, invalid_url=_INVALID_URL)
    return ProviderUnavailable(message)
