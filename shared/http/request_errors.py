"""The errors of the HTTP libraries in our own words, without their texts, which quote the URL and with it a secret."""

from collections.abc import Mapping

import requests
import urllib3

from shared.http.deadline import Deadline
from shared.tls_errors import TLS_VERSIONS, TlsFault, classify_tls_error, describe_tls_error, find_tls_error

# Errors that a request may raise.
REQUEST_ERRORS = (requests.RequestException, urllib3.exceptions.HTTPError, OSError, ValueError)

_TIMEOUTS = (requests.Timeout, urllib3.exceptions.TimeoutError, TimeoutError)
# The first entry whose type matches is used.
_MESSAGES: Mapping[tuple[type[Exception], ...], str] = {
    (requests.exceptions.ProxyError,): "the proxy in HTTPS_PROXY does not reach {host}",
    (requests.ConnectionError, urllib3.exceptions.ProtocolError): "{host} {sign}",
    (requests.RequestException, urllib3.exceptions.HTTPError): "the request to {host} failed ({type})",
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
    TlsFault.NO_TLS: "{host} does not speak TLS: {advice}",
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


def describe_request_error(
    error: Exception, host: str, timeout: float, deadline: Deadline, *, advice: str, invalid_url: str
) -> str:
    """Return the message for one of REQUEST_ERRORS; `timeout` is the longest wait for a piece of an answer.

    `advice` says what to do about a wrong URL, and `invalid_url` is the message for a URL that cannot be requested.
    """
    if not deadline.remaining:
        return f"no complete answer within {deadline.seconds:g} s"
    if isinstance(error, _TIMEOUTS):
        return f"no answer within {timeout:g} s"
    if found := find_tls_error(error):
        message = _TLS_MESSAGES[classify_tls_error(found)]
        return message.format(host=host, reason=describe_tls_error(found), advice=advice)
    if _NO_CERTIFICATES in str(error):
        return "the file with certificates that REQUESTS_CA_BUNDLE or CURL_CA_BUNDLE names is missing"
    message = next((message for types, message in _MESSAGES.items() if isinstance(error, types)), invalid_url)
    return message.format(host=host, sign=_describe(error), type=type(error).__name__)


def _describe(error: Exception) -> str:
    """Return what the host did, without the URL in the error's own text."""
    text = str(error)
    return next((words for sign, words in _SIGNS.items() if sign in text), "closed the connection")
