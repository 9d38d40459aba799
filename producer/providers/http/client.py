"""GET requests to one provider: with timeouts and retries, to its own server only, with no key in any message."""

import json
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Self
from urllib.parse import SplitResult, urljoin, urlsplit

import requests

from producer.providers.http.apis.base import RequestAuth
from producer.providers.http.parsing import truncate
from producer.providers.http.request_errors import explain_request_error
from producer.providers.http.retries import Retries
from shared.errors import ProviderUnavailable, UnreadableResponse
from shared.http.deadline import DeadlineAdapter, call_deadline
from shared.http.request_errors import REQUEST_ERRORS
from shared.http.retry_after import read_retry_after

# Bytes of a body: quotes of 250 symbols take some 200 KiB, 50,000 bars some 6 MiB.
MAX_BODY = 2**20
MAX_HISTORY_BODY = 16 * 2**20
MAX_REDIRECTS = 3
_MAX_REASON = 60  # characters

_CHUNK = 2**16


@dataclass(frozen=True)
class Timeouts:
    """Timeouts in seconds: to connect, for each piece of a response, and for a whole call.

    A call ends with the last byte of its answer, after all retries and redirects. One for past prices may be as long
    as `history`, because its answer may have megabytes.
    """

    connect: float = 4.0
    read: float = 10.0
    call: float = 12.0
    history: float = 40.0


DEFAULT_TIMEOUTS = Timeouts()


@dataclass(frozen=True)
class Response:
    """A whole response; `retry_after` is in seconds. An invalid byte in its text is a replacement character."""

    status: int
    reason: str
    text: str
    retry_after: float | None


class Client:
    """A session with one provider, for many threads. Use it as a context manager."""

    def __init__(
        self,
        url: str,
        auth: RequestAuth,
        connections: int,
        timeouts: Timeouts = DEFAULT_TIMEOUTS,
        max_body: int = MAX_BODY,
    ) -> None:
        # urllib3 logs whole URLs, and some providers want the key in the URL.
        logging.getLogger("urllib3").setLevel(logging.CRITICAL)
        self._url = url
        self._auth = auth
        self._timeouts = timeouts
        self._max_body = max_body
        self._session = requests.Session()
        adapter = DeadlineAdapter(pool_connections=1, pool_maxsize=connections)
        self._session.mount("https://", adapter)
        self._session.mount("http://", adapter)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None) -> None:
        self._session.close()

    def get(self, path: str, query: Mapping[str, str], reserve: Callable[[], None] = lambda: None) -> Response:
        """Send a GET and return its response. `reserve` is called before each retry; RateLimited prevents the retry.

        Raises ProviderUnavailable without a whole response, and UnreadableResponse if the body cannot be decoded.
        """
        with call_deadline(self._timeouts.call) as deadline:
            try:
                return self._follow_redirects(f"{self._url}{path}", query, Retries(reserve, deadline))
            # Without `from`: the errors' texts quote the URL, and with it the key.
            except REQUEST_ERRORS as error:
                raise explain_request_error(error, self._host, self._timeouts.read, deadline) from None

    @property
    def _host(self) -> str:
        return urlsplit(self._url).netloc

    def _follow_redirects(self, url: str, query: Mapping[str, str], retries: Retries) -> Response:
        """Follow redirects on the same server. The key must not be sent to any other server."""
        for _ in range(MAX_REDIRECTS + 1):
            with self._send_with_retries(url, query, retries) as response:
                target = response.headers.get("Location") if response.is_redirect else None
                if target is None:
                    return self._read(response)
            url, query = self._check_target(url, urljoin(url, target)), {}
        raise ProviderUnavailable(f"{self._host} redirects more than {MAX_REDIRECTS} times")

    def _send_with_retries(self, url: str, query: Mapping[str, str], retries: Retries) -> requests.Response:
        """Return the first acceptable response, or the last one, with its body unread."""
        while True:
            try:
                response = self._send(url, query)
                delay = retries.after_response(response.status_code, read_retry_after(response))
                if delay is None:
                    return response
                response.close()
            except requests.exceptions.SSLError:
                raise
            except (requests.ConnectionError, requests.Timeout):
                delay = retries.after_connection_error()
                if delay is None:
                    raise
            time.sleep(delay)

    def _send(self, url: str, query: Mapping[str, str]) -> requests.Response:
        timeout = (self._timeouts.connect, self._timeouts.read)
        return self._session.get(
            url, params=query, auth=self._authenticate, stream=True, allow_redirects=False, timeout=timeout
        )

    def _authenticate(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Add the key. Passed as `auth`, this also keeps requests from reading a password in ~/.netrc."""
        request.headers.update(self._auth.headers)
        request.prepare_url(request.url, dict(self._auth.query))
        return request

    def _check_target(self, source: str, target: str) -> str:
        before, after = urlsplit(source), urlsplit(target)
        # Another port is another server. The only exception is the upgrade from port 80 to TLS on port 443.
        upgrade = (_origin(before), _origin(after)) == (("http", before.hostname, 80), ("https", before.hostname, 443))
        if _origin(after) != _origin(before) and not upgrade:
            raise ProviderUnavailable(
                f"{self._host} redirects to {truncate(after.netloc)}, which must not get the key; "
                "check the provider's URL in the settings"
            )
        return target

    def _read(self, response: requests.Response) -> Response:
        body = bytearray()
        # read1 returns what has arrived. A slow server might never fill a chunk.
        while chunk := response.raw.read1(_CHUNK, decode_content=True):
            body += chunk
            if len(body) > self._max_body:
                raise UnreadableResponse(f"the body is longer than {self._max_body // 2**20} MiB")
        # UTF-8 unless a byte order mark, or zeros between the bytes of ASCII, show another encoding of Unicode.
        text = body.decode(json.detect_encoding(bytes(body[:4])), errors="replace")
        # The reason is whatever the server writes there, at any length.
        reason = truncate(response.reason or "", _MAX_REASON)
        return Response(response.status_code, reason, text, read_retry_after(response))


def _origin(url: SplitResult) -> tuple[str, str | None, int | None]:
    """Return scheme, host and port. Source: https://www.rfc-editor.org/rfc/rfc6454#section-4."""
    return url.scheme, url.hostname, url.port or {"http": 80, "https": 443}.get(url.scheme)
