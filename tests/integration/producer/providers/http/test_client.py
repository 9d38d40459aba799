"""GET requests to a server whose answers are valid, broken, slow, in pieces, redirected or missing."""

import email.utils
import gzip
import json
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from producer.providers.http.apis.base import RequestAuth
from producer.providers.http.client import MAX_BODY, Client, Response, Timeouts
from shared.errors import InvalidResponse, ProviderError, ProviderUnavailable, RateLimited
from shared.times import utc_now
from tests.fake_http_server import (
    Answer,
    FakeHttpServer,
    Request,
    Script,
    always,
    fake_http_server,
    one_after_the_other,
)

KEY = "s3cr3t-key"
BODY = json.dumps({"price": 187.44})
VALID = Answer(BODY)
TIMEOUTS = Timeouts(connect=0.5, read=0.5, call=1.5, history=1.5)


@contextmanager
def connected(server: FakeHttpServer, auth: RequestAuth | None = None) -> Iterator[Client]:
    with Client(server.url, auth or RequestAuth({"X-Key": KEY}), 4, TIMEOUTS) as client:
        yield client


def get(script: Script, path: str = "/quote") -> Response:
    with fake_http_server(script) as server, connected(server) as client:
        return client.get(path, {"symbol": "AAPL"})


def get_error(script: Script) -> ProviderError:
    with pytest.raises(ProviderError) as error:
        get(script)
    assert KEY not in str(error.value)
    assert len(str(error.value).splitlines()) == 1
    assert error.value.__cause__ is None
    assert error.value.__context__ is None or error.value.__suppress_context__
    return error.value


def test_a_response_is_returned_unchanged() -> None:
    assert get(always(VALID)) == Response(200, "OK", BODY, None)
    assert get(always(Answer("none", 404))) == Response(404, "Not Found", "none", None)


def test_the_key_is_sent_in_headers_or_in_the_query() -> None:
    with fake_http_server(always(VALID)) as server:
        with connected(server) as client:
            client.get("/quote", {"symbol": "BRK.B"})
        with connected(server, RequestAuth(query={"apikey": KEY})) as client:
            client.get("/quote", {"symbol": "A&B ^="})
    first, second = server.requests
    assert (first.path, first.query, first.headers["x-key"]) == ("/quote", {"symbol": "BRK.B"}, KEY)
    assert second.query == {"symbol": "A&B ^=", "apikey": KEY}


def test_a_password_in_netrc_is_not_sent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password mine\n")
    monkeypatch.setenv("NETRC", str(netrc))
    with (
        fake_http_server(always(VALID)) as server,
        connected(server, RequestAuth({"Authorization": "Bearer x"})) as client,
    ):
        client.get("/quote", {})
    assert server.requests[0].headers["authorization"] == "Bearer x"


def test_a_compressed_body_is_decompressed() -> None:
    compressed = Answer(gzip.compress(BODY.encode()), headers={"Content-Encoding": "gzip"})
    assert get(always(compressed)).text == BODY


def test_connections_are_reused() -> None:
    with fake_http_server(always(VALID)) as server, connected(server) as client:
        for _ in range(3):
            client.get("/quote", {})
    assert len({request.headers["host"] for request in server.requests}) == 1
    assert len(server.requests) == 3
    assert server.connections == 1


@pytest.mark.parametrize(
    ("answer", "error", "why"),
    [
        (Answer(BODY, delay=2), ProviderUnavailable, "no answer within 0.5 s"),
        (Answer(BODY, drip=0.2), ProviderUnavailable, "no complete answer within 1.5 s"),
        (Answer(BODY, cut=5), ProviderUnavailable, "closed the connection in the middle"),
        (
            Answer(BODY, headers={"Content-Encoding": "gzip"}),
            InvalidResponse,
            "the body does not match its Content-Encoding",
        ),
        (Answer(b"0" * (MAX_BODY + 1)), InvalidResponse, "the body is longer than 1 MiB"),
        (Answer("", 302, {"Location": "/quote"}), ProviderUnavailable, "redirects more than 3 times"),
        (Answer("", 302, {"Location": "http://[bad"}), ProviderUnavailable, "redirects to an invalid URL"),
    ],
    ids=["slow", "dripping", "cut off", "not compressed", "endless", "in circles", "nowhere"],
)
def test_an_incomplete_response_is_an_error(answer: Answer, error: type[ProviderError], why: str) -> None:
    began = time.monotonic()
    found = get_error(always(answer))
    assert isinstance(found, error)
    assert why in str(found)
    assert time.monotonic() - began < 5


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://127.0.0.1:1", r"^127\.0\.0\.1:1 refuses connections$"),
        ("http://nowhere.invalid", r"^nowhere\.invalid is an unknown host name$"),
    ],
)
def test_an_unreachable_server_is_an_error(url: str, why: str) -> None:
    with (
        Client(url, RequestAuth(query={"apikey": KEY}), 1, TIMEOUTS) as client,
        pytest.raises(ProviderUnavailable, match=why),
    ):
        client.get("/quote", {})


def test_a_redirect_on_the_same_host_is_followed() -> None:
    def moved(request: Request) -> Answer:
        return VALID if request.path == "/new" else Answer("", 301, {"Location": "/new?symbol=AAPL"})

    with fake_http_server(moved) as server, connected(server) as client:
        assert client.get("/quote", {"symbol": "AAPL"}).text == BODY
    assert [request.headers.get("x-key") for request in server.requests] == [KEY, KEY]


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_the_key_is_not_sent_to_another_host_or_port(host: str) -> None:
    with fake_http_server(always(VALID)) as other:
        elsewhere = other.url.replace("127.0.0.1", host)
        error = get_error(always(Answer("", 302, {"Location": f"{elsewhere}/quote"})))
        assert f" redirects to {host}:" in str(error)
        assert other.requests == []


def test_the_key_is_not_sent_to_the_same_server_without_tls() -> None:
    with Client("https://provider.example", RequestAuth(), 1, TIMEOUTS) as client:
        for target in ("http://provider.example/quote", "https://provider.example:8443/", "ftp://provider.example/"):
            with pytest.raises(ProviderUnavailable, match=r" redirects to provider\.example"):
                client._check_target("https://provider.example/quote", target)
        assert client._check_target("http://provider.example/a", "https://provider.example/b")


def test_server_errors_are_retried() -> None:
    assert get(one_after_the_other(Answer("", 503), Answer("", 500), VALID)).text == BODY


def test_a_failing_server_gets_three_requests() -> None:
    with fake_http_server(always(Answer("away", 502))) as server, connected(server) as client:
        assert client.get("/quote", {}).status == 502
    assert len(server.requests) == 3


def test_there_is_no_retry_without_credits() -> None:
    tries: list[str] = []

    def used_up() -> None:
        tries.append("retry")
        raise RateLimited("used up", utc_now())

    with fake_http_server(always(Answer("", 503))) as server, connected(server) as client:
        assert client.get("/quote", {}, used_up).status == 503
    assert (len(server.requests), len(tries)) == (1, 1)


@pytest.mark.parametrize("status", [429, 503])
def test_a_short_retry_after_is_waited_for(status: int) -> None:
    began = time.monotonic()
    assert get(one_after_the_other(Answer("", status, {"Retry-After": "1"}), VALID)).text == BODY
    assert time.monotonic() - began >= 1


@pytest.mark.parametrize(("header", "seconds"), [("120", 120), ("soon", None), ("-5", None)])
def test_a_longer_retry_after_is_left_to_the_caller(header: str, seconds: float | None) -> None:
    assert limited(header).retry_after == seconds


def test_a_retry_after_may_be_a_date() -> None:
    seconds = limited(email.utils.formatdate(time.time() + 100, usegmt=True)).retry_after
    assert seconds
    assert 80 < seconds <= 100


def limited(header: str) -> Response:
    with (
        fake_http_server(always(Answer("slow down", 429, {"Retry-After": header}))) as server,
        connected(server) as client,
    ):
        reply = client.get("/quote", {})
    assert (reply.status, reply.text) == (429, "slow down")
    assert len(server.requests) == 1
    return reply


def test_a_rate_limit_without_retry_after_is_not_retried() -> None:
    with fake_http_server(always(Answer("slow down", 429))) as server, connected(server) as client:
        assert client.get("/quote", {}).status == 429
    assert len(server.requests) == 1


def test_no_log_reveals_the_key(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        with (
            fake_http_server(always(Answer("", 503))) as server,
            connected(server, RequestAuth(query={"k": KEY})) as client,
        ):
            client.get("/quote", {})
        with (
            Client("http://127.0.0.1:1", RequestAuth(query={"k": KEY}), 1, TIMEOUTS) as client,
            pytest.raises(ProviderUnavailable),
        ):
            client.get("/quote", {})
    assert KEY not in caplog.text
