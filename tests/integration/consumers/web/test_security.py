"""The rules for callers of the API, over HTTP: hosts, origins, the token, and the form of every error."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.http_address import HttpAddress
from tests.web_server import TOKEN, Client, serving, settings_in


@pytest.fixture(scope="module")
def named(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """A server with a further host name, and without a token."""
    folder = tmp_path_factory.mktemp("named")
    with serving(settings_in(folder, http_hosts=("prices.example.org",), api_token=None)) as found:
        yield found


def send(client: Client, head: str) -> str:
    """Return the answer to a request as it is written here."""
    host, port = client.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(head.replace("\n", "\r\n").encode())
        return connection.recv(65536).decode()


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "LOCALHOST:1", "[::1]", "[::1]:8000", "prices.example.org"])
def test_our_names_are_answered(named: Client, host: str) -> None:
    assert named.get("/livez", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example:80", "", "prices.example.org.", "a:b:c"]
)
def test_another_host_is_refused(named: Client, host: str) -> None:
    answer = named.get("/v1/latest", headers={"Host": host})
    assert (answer.status_code, answer.headers["Content-Type"]) == (421, "application/problem+json")
    assert named.get("/", headers={"Host": host}).status_code == 421


def test_two_hosts_are_refused(named: Client) -> None:
    lines = "GET /livez HTTP/1.1\nHost: localhost\nHost: evil.example\nConnection: close\n\n"
    assert send(named, lines).split(" ")[1] == "421"


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1:1", "https://localhost"])
def test_another_origin_is_refused(named: Client, origin: str) -> None:
    for method in ("GET", "POST", "OPTIONS"):
        answer = named(method, "/v1/latest", headers={"Origin": origin})
        assert (answer.status_code, answer.headers["Content-Type"]) == (403, "application/problem+json")
        assert "Access-Control-Allow-Origin" not in answer.headers


def test_our_own_origin_is_answered(named: Client) -> None:
    assert named.get("/livez", headers={"Origin": named.url}).status_code == 200
    assert named.get("/livez", headers={"Host": "localhost", "Origin": "https://localhost"}).status_code == 200


@pytest.mark.parametrize("path", ["/", "/livez", "/nothing", "/v1/latest", "/openapi.json"])
def test_every_answer_has_the_headers_of_security(named: Client, path: str) -> None:
    headers = named.get(path).headers
    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Cache-Control"] in ("no-cache", "no-store")


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nothing", 404),
        ("GET", "/v1/nothing", 404),
        ("GET", "/../app.py", 404),
        ("POST", "/nothing", 404),
        ("POST", "/v1/latest", 405),
        ("DELETE", "/v1/prices/AAPL", 405),
        ("GET", "/v1/latest/", 404),
    ],
)
def test_every_error_is_a_problem_document(named: Client, method: str, path: str, status: int) -> None:
    answer = named(method, path)
    assert (answer.status_code, answer.headers["Content-Type"]) == (status, "application/problem+json")
    problem = answer.json()
    assert problem["status"] == status
    assert problem["title"]
    assert problem["detail"]
    assert ("Allow" in answer.headers) == (status == 405)


def test_a_bug_is_a_problem_document_without_its_traceback(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("a secret")

    monkeypatch.setattr("consumers.web.routes.latest.latest_prices", fail)
    own = settings_in(tmp_path)
    from consumers.history.tables import SCHEMA
    from shared.database.engine import opened
    from shared.database.schema import create_schema

    with opened(own.history_url.engine_url) as engine:
        create_schema(engine, SCHEMA)
    with serving(own) as client:
        answer = client.get("/v1/latest")
    assert (answer.status_code, answer.headers["Content-Type"]) == (500, "application/problem+json")
    assert "secret" not in answer.text


def test_reads_from_loopback_need_no_token(client: Client) -> None:
    assert client.get("/v1/latest").status_code == 200


@pytest.mark.parametrize("header", ["X-Forwarded-For", "Forwarded", "Via", "X-Real-IP"])
def test_reads_through_a_proxy_need_the_token(client: Client, header: str) -> None:
    answer = client.get("/v1/latest", headers={header: "127.0.0.1"})
    assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, "Bearer")
    assert client.with_token().get("/v1/latest", headers={header: "192.0.2.1"}).status_code == 200
    assert client.get("/livez", headers={header: "192.0.2.1"}).status_code == 200


@pytest.mark.parametrize("given", ["Bearer wrong", "Bearer", f"Basic {TOKEN}", f"Bearer {TOKEN}x", "Bearer é"])
def test_a_wrong_token_is_refused_also_where_none_is_needed(client: Client, given: str) -> None:
    answer = client.get("/v1/latest", headers={"Authorization": given.encode()})
    assert (answer.status_code, answer.headers["Content-Type"]) == (401, "application/problem+json")
    assert "invalid_token" in answer.headers["WWW-Authenticate"]
    assert TOKEN not in answer.text


def test_a_large_body_is_refused(client: Client) -> None:
    answer = client.with_token()("POST", "/v1/latest", data=b"x" * 70_000)
    assert answer.status_code == 413


def test_the_address_of_the_settings_is_one_of_our_names(tmp_path: Path) -> None:
    own = settings_in(tmp_path, http=HttpAddress("127.0.0.1", 0), http_hosts=("192.0.2.7",))
    with serving(own) as client:
        assert client.get("/livez", headers={"Host": "192.0.2.7:8000"}).status_code == 200
