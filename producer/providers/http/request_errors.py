"""The errors of the HTTP libraries as our own, without their texts, which quote the URL and with it the key."""

from collections.abc import Mapping

import requests
import urllib3

from producer.providers.http.deadline import Deadline
from shared.errors import ProviderUnavailable, UnreadableResponse
from shared.tls_errors import TLS_VERSIONS, TlsFault, classify_tls_error, describe_tls_error, find_tls_error

# Errors that a request may raise.
REQUEST_ERRORS = (requests.RequestException, urllib3.exceptions.HTTPError, OSError, ValueError)

_TIMEOUTS = (requests.Timeout, urllib3.exceptions.TimeoutError, TimeoutError)
_DECODING_ERRORS = (requests.exceptions.ContentDecodingError, urllib3.exceptions.DecodeError)
# The first entry whose type matches is used.
_MESSAGES: Mapping[tuple[type[Exception], ...], str] = {
    (requests.exceptions.ProxyError,): "the proxy in HTTPS_PROXY does not reach {host}",
    (requests.ConnectionError, urllib3.exceptions.ProtocolError): "{host} {sign}",
    (requests.RequestException, urllib3.exceptions.HTTPError): "the request to {host} failed ({type})",
    # The settings check our own URL, so the URL is from a redirect.
    (ValueError,): "{host} redirects to an invalid URL",
    (OSError,): "the request to {host} failed ({type})",
}
_TLS_MESSAGES = {
    TlsFault.WRONG_HOST: "the server has no valid certificate for {host}: {reason}",
    TlsFault.EXPIRED: "the certificate of {host} has expired",
    TlsFault.NOT_YET_VALID: "the certificate of {host} is not valid yet: check the clock of this machine",
    TlsFault.UNKNOWN_AUTHORITY: (
        "the certificate of {host} is not trusted ({reason}): set REQUESTS_CA_BUNDLE to a file with its authority"
    ),
    TlsFault.OLD_PROTOCOL: f"{{host}} does not offer {TLS_VERSIONS}",
    TlsFault.NO_TLS: "{host} does not speak TLS: check the provider's URL in the settings",
    TlsFault.CLIENT_CERTIFICATE: "{host} rejects the TLS connection ({reason})",
    TlsFault.OTHER: "there is no TLS connection to {host} ({reason})",
}
# From the text of the OSError that requests raises.
_NO_CERTIFICATES = "TLS CA certificate bundle"
_SIGNS = {
    "NameResolutionError": "is an unknown host name",
    "Failed to resolve": "is an unknown host name",
    "refused": "refuses connections",
    "unreachable": "is not reachable",
    "IncompleteRead": "closed the connection in the middle of an answer",
    "timed out": "did not answer in time",
}


def explain_request_error(
    error: Exception, host: str, timeout: float, deadline: Deadline
) -> ProviderUnavailable | UnreadableResponse:
    """Return our own error for one of REQUEST_ERRORS; `timeout` is the longest wait for a piece of an answer."""
    if not deadline.remaining:
        return ProviderUnavailable(f"no complete answer within {deadline.seconds:g} s")
    if isinstance(error, _TIMEOUTS):
        return ProviderUnavailable(f"no answer within {timeout:g} s")
    if isinstance(error, _DECODING_ERRORS):
        return UnreadableResponse("the body does not match its Content-Encoding")
    if found := find_tls_error(error):
        message = _TLS_MESSAGES[classify_tls_error(found)]
        return ProviderUnavailable(message.format(host=host, reason=describe_tls_error(found)))
    if _NO_CERTIFICATES in str(error):
        return ProviderUnavailable(
            "the file with certificates that REQUESTS_CA_BUNDLE or CURL_CA_BUNDLE names is missing"
        )
    message = next(message for types, message in _MESSAGES.items() if isinstance(error, types))
    return ProviderUnavailable(message.format(host=host, sign=_describe(error), type=type(error).__name__))


def _describe(error: Exception) -> str:
    """Return what the host did, without the URL in the error's own text."""
    text = str(error)
    return next((words for sign, words in _SIGNS.items() if sign in text), "closed the connection")
