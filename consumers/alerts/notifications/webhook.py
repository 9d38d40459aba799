"""Webhooks: a POST of the event, signed as in Standard Webhooks."""

import logging
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from http import HTTPStatus
from typing import cast
from urllib.parse import unquote, urlsplit

import requests
from requests.auth import HTTPBasicAuth

from consumers.alerts.notifications.channel import DELIVERED, TRY_TIMEOUT, Notification, Result
from consumers.alerts.notifications.signing import sign
from consumers.alerts.notifications.targets import Target
from shared.events import CONTENT_TYPE
from shared.http.deadline import DeadlineAdapter, call_deadline
from shared.http.request_errors import REQUEST_ERRORS, describe_request_error
from shared.http.retry_after import read_retry_after
from shared.times import utc_now

# Seconds to connect to one address of the host, and to wait for a piece of the answer.
_CONNECT_TIMEOUT = 4.0
# The rest of an answer changes nothing. It is read, up to these limits, because some servers end the work on a request
# whose client hangs up. The time is in seconds.
_MAX_ANSWER = 2**16
_ANSWER_TIMEOUT = 1.0
_ADVICE = "check the target's URL"
_INVALID_URL = "the target's URL is not valid"
_CHUNK = 2**14


class Webhook:
    """The channel to an http or https URL. Each try has a connection of its own, which no server has closed before."""

    def __init__(
        self, target: Target, timeout: float = TRY_TIMEOUT, clock: Callable[[], float] = lambda: utc_now().timestamp()
    ) -> None:
        # urllib3 logs whole URLs.
        logging.getLogger("urllib3").setLevel(logging.CRITICAL)
        self._url = target.url
        self._secret = target.secret
        self._timeout = timeout
        self._clock = clock
        self._host = urlsplit(target.address).netloc

    def send(self, notification: Notification) -> Result:
        with call_deadline(self._timeout) as deadline, _new_session() as session:
            try:
                response = self._post(session, notification)
            # The errors' texts quote the URL.
            except REQUEST_ERRORS as error:
                message = describe_request_error(
                    error, self._host, self._timeout, deadline, advice=_ADVICE, invalid_url=_INVALID_URL
                )
                return Result(message)
            with response:
                deadline.shorten(_ANSWER_TIMEOUT)
                _read_rest(response)
                return _read_result(response)

    def close(self) -> None:
        pass

    def _post(self, session: requests.Session, notification: Notification) -> requests.Response:
        return session.post(
            self._url,
            data=notification.body,
            headers=self._headers(notification),
            auth=self._authenticate,
            stream=True,
            allow_redirects=False,
            timeout=(_CONNECT_TIMEOUT, self._timeout),
        )

    def _headers(self, notification: Notification) -> dict[str, str]:
        timestamp = int(self._clock())
        headers = {
            "Content-Type": CONTENT_TYPE,
            "Connection": "close",
            "User-Agent": "stockwire",
            "webhook-id": notification.id,
            "webhook-timestamp": str(timestamp),
        }
        if self._secret:
            headers["webhook-signature"] = sign(self._secret, notification.id, timestamp, notification.body)
        return headers

    def _authenticate(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Add user and password of the URL. Passed as `auth`, this also keeps requests from reading ~/.netrc."""
        parts = urlsplit(self._url)
        if parts.username is None:
            return request
        authenticate = HTTPBasicAuth(unquote(parts.username), unquote(parts.password or ""))
        return cast("requests.PreparedRequest", authenticate(request))


def _new_session() -> requests.Session:
    session = requests.Session()
    for scheme in ("https://", "http://"):
        session.mount(scheme, DeadlineAdapter(pool_connections=1, pool_maxsize=1))
    return session


def _read_result(response: requests.Response) -> Result:
    status = response.status_code
    if 200 <= status < 300:
        return DELIVERED
    if status == HTTPStatus.GONE:
        return Result(_describe(status), gone=True)
    seconds = read_retry_after(response)
    return Result(_describe(status), None if seconds is None else timedelta(seconds=seconds))


def _describe(status: int) -> str:
    """Return a status with its name; the server's own words could repeat the URL."""
    try:
        name = f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        name = str(status)
    return f"{name}: redirects are not followed" if 300 <= status < 400 else name


def _read_rest(response: requests.Response) -> None:
    size = 0
    # An answer that breaks off is an answer.
    with suppress(*REQUEST_ERRORS):
        while size < _MAX_ANSWER and (chunk := response.raw.read1(_CHUNK)):
            size += len(chunk)
