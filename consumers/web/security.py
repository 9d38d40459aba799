"""The rules for who may call the API: host names, origins, the token, and the headers of every response.

A page of another site cannot read or change anything: a browser sends its `Origin`, which is refused, and no browser
sends the token by itself. A name of another site that leads to our address (DNS rebinding) is refused by `Host`.
"""

import secrets
from collections.abc import Collection
from http import HTTPStatus
from typing import Annotated

from fastapi import Depends, FastAPI, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from consumers.web.problems import Problem, problem_response
from shared.http_address import in_brackets
from shared.settings import Settings

LOOPBACK_NAMES = ("localhost", "127.0.0.1", "[::1]")

_READING = ("GET", "HEAD", "OPTIONS")
_LOOPBACK = ("127.", "::1", "::ffff:127.")
# A proxy on the same machine adds one of these for a client that may be anywhere.
_PROXY_HEADERS = ("forwarded", "x-forwarded-for", "x-real-ip", "via")

# No script, style or image of another server, nothing inline, and no page may show this one in a frame.
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self';"
    " connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
# The browser keeps a copy, and asks each time if it is still current.
_CACHING = "no-cache"

# Bytes of a request's body.
MAX_BODY = 64 * 1024
_TOO_LARGE = Problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"the body is longer than {MAX_BODY} bytes")

_bearer = HTTPBearer(auto_error=False, description="The token of the setting STOCKWIRE_API_TOKEN.")


def allowed_hosts(settings: Settings) -> frozenset[str]:
    """Return the host names under which the API may be called, in lower case."""
    own = (settings.http.host,) if settings.http else ()
    return frozenset({*LOOPBACK_NAMES, *(in_brackets(name).lower() for name in (*own, *settings.http_hosts))})


class RequestGuard:
    """Middleware that refuses other hosts and origins, and adds the headers of security to every response."""

    def __init__(self, app: ASGIApp, hosts: Collection[str]) -> None:
        self._app = app
        self._hosts = hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers[name] = value
                headers.setdefault("Cache-Control", _CACHING)
            await send(message)

        try:
            self._check(Headers(scope=scope))
        except Problem as error:
            await problem_response(error.status, error.detail)(scope, receive, send_guarded)
        else:
            await self._app(scope, _limited(receive), send_guarded)

    def _check(self, headers: Headers) -> None:
        """Raise Problem unless the request is for one of our names, and from no page but our own."""
        found = headers.getlist("host")
        if len(found) != 1 or _name_of(found[0]) not in self._hosts:
            raise Problem(
                HTTPStatus.MISDIRECTED_REQUEST,
                "the Host of this request is not a name of this server: add it to STOCKWIRE_HTTP_HOSTS",
            )
        if headers.get("content-length", "0").isdigit() and int(headers.get("content-length", "0")) > MAX_BODY:
            raise _TOO_LARGE
        origins = headers.getlist("origin")
        ours = (f"http://{found[0]}".lower(), f"https://{found[0]}".lower())
        if any(origin.lower() not in ours for origin in origins):
            raise Problem(HTTPStatus.FORBIDDEN, "the Origin of this request is another site")


def _limited(receive: Receive) -> Receive:
    """Return a function that receives a body of at most MAX_BODY bytes, also in parts. It raises HTTPException."""
    received = 0

    async def receive_limited() -> Message:
        nonlocal received
        message = await receive()
        received += len(message.get("body", b""))
        if received > MAX_BODY:
            raise HTTPException(_TOO_LARGE.status, _TOO_LARGE.detail)
        return message

    return receive_limited


def _name_of(host: str) -> str:
    """Return the name in a `Host` header, without the port, in lower case."""
    name, colon, port = host.lower().rpartition(":")
    return name if colon and not port.endswith("]") else host.lower()


class Access:
    """The token that callers need: for every change, and for reading from another machine."""

    def __init__(self, token: str | None) -> None:
        self._token = token

    def check(self, request: Request, given: str | None) -> None:
        """Raise Problem if the request needs the token and does not have it, or has another."""
        is_change = request.method not in _READING
        if self._token is None:
            if is_change:
                raise Problem(
                    HTTPStatus.FORBIDDEN,
                    "nothing can be changed over HTTP: set STOCKWIRE_API_TOKEN, and start the server again",
                )
            return
        has_credentials = "authorization" in request.headers
        if not (is_change or has_credentials) and _is_from_loopback(request):
            return
        if given is None or not secrets.compare_digest(given.encode(), self._token.encode()):
            reason = 'Bearer error="invalid_token"' if has_credentials else "Bearer"
            detail = "the token is wrong" if has_credentials else "this needs the header Authorization: Bearer TOKEN"
            raise Problem(HTTPStatus.UNAUTHORIZED, detail, {"WWW-Authenticate": reason})


def _is_from_loopback(request: Request) -> bool:
    client = request.client.host if request.client else ""
    return client.startswith(_LOOPBACK) and not any(name in request.headers for name in _PROXY_HEADERS)


async def authorize(
    request: Request, credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]
) -> None:
    """Check the token. Every route of the API depends on this."""
    access: Access = request.app.state.access
    access.check(request, credentials.credentials if credentials else None)


def guard(app: FastAPI, settings: Settings) -> None:
    """Let the application answer only those who may call it."""
    app.state.access = Access(settings.api_token)
    app.add_middleware(RequestGuard, hosts=allowed_hosts(settings))
