"""GET requests to servers that send their answers too slowly: each call ends at its deadline."""

import itertools
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from producer.providers.http.apis.base import RequestAuth
from producer.providers.http.client import Client, Timeouts
from shared.errors import ProviderUnavailable
from shared.http.deadline import Deadline, _limited, call_deadline
from tests.dripping_server import ANSWERS, START, TLS_HANDSHAKE, Pieces, bytes_of, dripping_server
from tests.fake_http_server import Answer, always, fake_http_server

PAUSE = 0.1
TIMEOUTS = Timeouts(connect=0.5, read=0.5, call=0.8)
NO_ANSWER = "no complete answer within 0.8 s"


@contextmanager
def ends_at_the_deadline(why: str = NO_ANSWER) -> Iterator[None]:
    began = time.monotonic()
    with pytest.raises(ProviderUnavailable, match=why):
        yield
    assert time.monotonic() - began < TIMEOUTS.call + 0.7


def get(url: str, timeouts: Timeouts = TIMEOUTS) -> str:
    with Client(url, RequestAuth({"X-Key": "key"}), 4, timeouts) as client:
        return client.get("/quote", {}).text


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for localhost that is its own authority, in one file with its key."""
    path = tmp_path_factory.mktemp("tls") / "localhost.pem"
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", path, "-out", path]
    name = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-days", "2"]
    subprocess.run(["openssl", "req", "-x509", *key, *name], check=True, capture_output=True)
    return path


@pytest.mark.parametrize("pieces", ANSWERS.values(), ids=ANSWERS.keys())
def test_a_dripping_answer_ends_at_the_deadline_and_its_connection_is_closed(pieces: Callable[[], Pieces]) -> None:
    with dripping_server(pieces, PAUSE) as server:
        with ends_at_the_deadline():
            get(server.url)
        assert server.gone.wait(2)


def test_a_flood_of_100_continue_ends_at_the_deadline() -> None:
    flood = b"HTTP/1.1 100 Continue\r\n\r\n" * 1000
    with dripping_server(lambda: itertools.repeat(flood), 0) as server, ends_at_the_deadline():
        get(server.url)


def test_a_dripping_tls_handshake_ends_at_the_timeout_to_connect() -> None:
    with dripping_server(lambda: TLS_HANDSHAKE, PAUSE, after_request=False) as server:
        with ends_at_the_deadline("no (complete )?answer within"):
            get(f"https://127.0.0.1:{server.port}")
        assert server.gone.wait(2)


def test_a_dripping_answer_over_tls_ends_at_the_deadline(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    with dripping_server(ANSWERS["headers"], PAUSE, certificate=certificate) as server:
        with ends_at_the_deadline():
            get(f"https://localhost:{server.port}")
        assert server.gone.wait(2)


def test_an_answer_over_tls_is_read(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    with dripping_server(lambda: [START, b"Content-Length: 2\r\n\r\n", b"{}"], 0, certificate=certificate) as server:
        assert get(f"https://localhost:{server.port}") == "{}"


def test_a_dripping_proxy_ends_at_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    with dripping_server(lambda: bytes_of(b"HTTP/1.1 200 Connection established\r\n", b"X: y\r\n"), PAUSE) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        with ends_at_the_deadline():
            get("https://provider.example")


def test_a_slow_name_lookup_ends_at_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    answered = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: answered.wait(20) and [])
    with ends_at_the_deadline():
        get("http://provider.example")
    answered.set()


def test_the_second_address_of_a_host_is_used_if_the_first_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    look_up = socket.getaddrinfo

    def two_addresses(host: str, *args: object, **options: object) -> object:
        if host != "provider.example":
            return look_up(host, *args, **options)  # type: ignore[arg-type]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 0)) for address in ("127.0.0.2", "127.0.0.1")]

    with fake_http_server(always(Answer("{}"))) as server:
        monkeypatch.setattr(socket, "getaddrinfo", two_addresses)
        assert get(server.url.replace("127.0.0.1", "provider.example")) == "{}"
        assert server.requests[0].headers["host"].startswith("provider.example:")


def test_an_error_whose_retry_would_come_after_the_deadline_is_returned() -> None:
    answer = Answer("away", 503, {"Retry-After": "1"})
    with fake_http_server(always(answer)) as server, Client(server.url, RequestAuth(), 1, TIMEOUTS) as client:
        assert client.get("/quote", {}).status == 503
        assert len(server.requests) == 1


def test_a_slow_answer_within_the_deadline_is_read() -> None:
    pieces = [START, b"Content-Length: 2\r\n\r\n", b"{", b"}"]
    with dripping_server(lambda: pieces, PAUSE) as server:
        assert get(server.url) == "{}"


def test_each_call_on_a_connection_has_its_own_deadline() -> None:
    answer = Answer("{}", delay=0.4)
    with fake_http_server(always(answer)) as server, Client(server.url, RequestAuth(), 1, TIMEOUTS) as client:
        for _ in range(4):
            assert client.get("/quote", {}).text == "{}"
        assert server.connections == 1


def test_the_remaining_time_bounds_a_timeout() -> None:
    with call_deadline(1.0) as deadline:
        assert deadline.limit(0.1) == 0.1
        assert 0.1 < deadline.limit(5) <= 1.0
        time.sleep(1.05)
        with pytest.raises(TimeoutError):
            deadline.limit(5)


def test_a_connection_that_is_made_too_late_is_closed() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        with pytest.raises(TimeoutError):
            _limited(ours, Deadline(0), 1.0)
        assert ours.fileno() == -1
