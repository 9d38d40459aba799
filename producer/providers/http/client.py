"""GETs from a provider: within time, from its server alone, and without the key ever showing.

Source for the retries: https://urllib3.readthedocs.io/en/stable/reference/urllib3.util.html#urllib3.util.Retry
"""

import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self
from urllib.parse import SplitResult, urljoin, urlsplit

import requests
import urllib3
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from producer.providers.http.apis.base import RequestAuth
from producer.providers.http.parsing import truncate
from shared.errors import InvalidResponse, ProviderUnavailable, RateLimited

MAX_BODY = 32 * 2**20
MAX_REDIRECTS = 3
# In seconds: a Retry-After up to this is waited for on the spot, a longer one is the caller's.
MOMENT = 5

_CHUNK = 2**16


@dataclass(frozen=True)
class Timeouts:
    """In seconds: to connect, for each piece of an answer, and for the whole of it once it has begun."""

    connect: float = 4.0
    read: float = 10.0
    whole: float = 20.0


DEFAULT_TIMEOUTS = Timeouts()


@dataclass(frozen=True)
class Response:
    """An answer as it came; `retry_after` is in seconds."""

    status: int
    reason: str
    text: str
    retry_after: float | None


class Client:
    """A session with one provider, for many threads; used as a context manager.

    `pay` is called, with the cost of the call in credits, before a call is made again; RateLimited means not to.
    """

    def __init__(
        self, url: str, signature: RequestAuth, connections: int, patience: Timeouts, pay: Callable[[int], None]
    ) -> None:
        # It logs whole URLs, which is where some providers want the key; we report what it raises.
        logging.getLogger("urllib3").setLevel(logging.CRITICAL)
        self._url = url
        self._signature = signature
        self._patience = patience
        self._cost = threading.local()
        self._session = requests.Session()
        retry = _Retry(
            total=2,
            connect=1,
            read=1,
            redirect=False,
            status=2,
            other=0,
            allowed_methods={"GET"},
            status_forcelist={500, 502, 503, 504},
            backoff_factor=0.2,
            backoff_jitter=0.2,
            raise_on_status=False,
        )
        retry.pay = lambda: pay(self._cost.credits)
        adapter = HTTPAdapter(pool_connections=1, pool_maxsize=connections, max_retries=retry)
        self._session.mount("https://", adapter)
        self._session.mount("http://", adapter)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None) -> None:
        self._session.close()

    def get(self, path: str, query: Mapping[str, str], cost: int = 1) -> Response:
        """Raises ProviderUnavailable where no whole answer comes, InvalidResponse for one that cannot be read."""
        self._cost.credits = cost
        try:
            return self._follow(f"{self._url}{path}", query)
        # Without their texts and without `from`: they quote the URL, and with it the key.
        except (requests.Timeout, urllib3.exceptions.TimeoutError):
            raise ProviderUnavailable(f"does not answer in time ({self._patience.read:g} s)") from None
        except (requests.exceptions.SSLError, urllib3.exceptions.SSLError):
            raise ProviderUnavailable(f"shows no certificate that is good for {self._host}") from None
        except requests.exceptions.ProxyError:
            raise ProviderUnavailable(
                f"{self._host} is not reached by way of the proxy that HTTPS_PROXY names"
            ) from None
        except (requests.ConnectionError, urllib3.exceptions.ProtocolError) as error:
            raise ProviderUnavailable(f"{_describe(error)} ({self._host})") from None
        except (requests.exceptions.ContentDecodingError, urllib3.exceptions.DecodeError):
            raise InvalidResponse("sent what cannot be unpacked as its headers say") from None
        except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
            raise ProviderUnavailable(f"cannot be asked ({type(error).__name__}, {self._host})") from None
        except ValueError:
            # Ours is one: the settings see to that.
            raise ProviderUnavailable(f"redirects to what is no URL ({self._host})") from None

    @property
    def _host(self) -> str:
        return urlsplit(self._url).netloc

    def _follow(self, url: str, query: Mapping[str, str]) -> Response:
        """The answer, wherever it is on the same server: the key goes to no other."""
        for _ in range(MAX_REDIRECTS + 1):
            with self._session.get(
                url,
                params=query,
                auth=self._sign,
                stream=True,
                allow_redirects=False,
                timeout=(self._patience.connect, self._patience.read),
            ) as response:
                target = response.headers.get("Location") if response.is_redirect else None
                if target is None:
                    return self._read(response)
            url, query = self._check_target(url, urljoin(url, target)), {}
        raise ProviderUnavailable("redirects in circles")

    def _sign(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """As `requests` wants it of an `auth`, which also keeps it from looking for a password in ~/.netrc."""
        request.headers.update(self._signature.headers)
        request.prepare_url(request.url, dict(self._signature.query))
        return request

    def _check_target(self, source: str, target: str) -> str:
        before, after = urlsplit(source), urlsplit(target)
        # Another port is another server; that of TLS in place of the usual one is the same, only safer.
        safer = (_origin(before), _origin(after)) == (("http", before.hostname, 80), ("https", before.hostname, 443))
        if _origin(after) != _origin(before) and not safer:
            raise ProviderUnavailable(
                f"redirects to {truncate(after.netloc)}, where the key must not go: is the URL in the settings right?"
            )
        return target

    def _read(self, response: requests.Response) -> Response:
        deadline = time.monotonic() + self._patience.whole
        body = bytearray()
        # Whatever there is, piece by piece: a server that sends a byte now and then would never fill a larger one.
        while chunk := response.raw.read1(_CHUNK, decode_content=True):
            body += chunk
            if len(body) > MAX_BODY:
                raise InvalidResponse(f"sent more than {MAX_BODY // 2**20} MiB")
            if time.monotonic() > deadline:
                raise ProviderUnavailable(f"has not sent all of its answer within {self._patience.whole:g} s")
        text = body.decode(errors="replace")
        return Response(response.status_code, response.reason or "", text, _read_retry_after(response))


class _Retry(Retry):
    """Retries that are paid for, and that leave a Retry-After of more than a moment to the caller."""

    pay: Callable[[], None]

    def new(self, **kw: Any) -> Self:
        fresh = super().new(**kw)
        fresh.pay = self.pay
        return fresh

    def increment(
        self,
        method: str | None = None,
        url: str | None = None,
        response: urllib3.BaseHTTPResponse | None = None,
        error: Exception | None = None,
        _pool: Any = None,
        _stacktrace: TracebackType | None = None,
    ) -> Self:
        fresh = super().increment(method, url, response, error, _pool, _stacktrace)
        wait = self.get_retry_after(response) if response else None
        untold = response is not None and response.status == 429 and wait is None
        if untold or (wait or 0) > MOMENT:
            raise urllib3.exceptions.MaxRetryError(_pool, url or "", error)
        try:
            self.pay()
        except RateLimited:
            raise urllib3.exceptions.MaxRetryError(_pool, url or "", error) from error
        return fresh

    def get_retry_after(self, response: urllib3.BaseHTTPResponse) -> float | None:
        try:
            return super().get_retry_after(response)
        except urllib3.exceptions.InvalidHeader:
            return None


def _origin(url: SplitResult) -> tuple[str, str | None, int | None]:
    """Source: https://www.rfc-editor.org/rfc/rfc6454#section-4."""
    return url.scheme, url.hostname, url.port or {"http": 80, "https": 443}.get(url.scheme)


def _read_retry_after(response: requests.Response) -> float | None:
    return _Retry().get_retry_after(response.raw)


def _describe(error: Exception) -> str:
    """In a few words, and without the URL that the error's own text has."""
    text = str(error)
    for sign, words in _SIGNS.items():
        if sign in text:
            return words
    return "closed the connection"


_SIGNS = {
    "NameResolutionError": "has a name that is not known here",
    "Failed to resolve": "has a name that is not known here",
    "refused": "refuses connections",
    "unreachable": "cannot be reached from here",
    "IncompleteRead": "broke off in the middle of its answer",
    "timed out": "does not answer in time",
}
