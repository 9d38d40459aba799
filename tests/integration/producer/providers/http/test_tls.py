"""The error of each fault of TLS between us and a provider names the fault, against real TLS servers."""

from collections.abc import Callable
from contextlib import AbstractContextManager

import pytest

from producer.providers.http.apis.base import RequestAuth
from producer.providers.http.client import Client, Timeouts
from shared.errors import ProviderUnavailable
from tests.tls_servers import Authority, answering, plain, tls, use_old_versions

Serve = Callable[[Authority], AbstractContextManager[int]]


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    authority = Authority(tmp_path_factory.mktemp("authority"))
    authority.issue("good")
    authority.issue("other", "DNS:api.example")
    authority.issue("expired", days=-1)
    return authority


def error_of(port: int) -> str:
    with (
        Client(
            f"https://localhost:{port}", RequestAuth({"X-Key": "s3cr3t"}), 1, Timeouts(connect=2, read=2, call=3)
        ) as client,
        pytest.raises(ProviderUnavailable) as caught,
    ):
        client.get("/quote", {"apikey": "s3cr3t"})
    assert "s3cr3t" not in str(caught.value)
    return str(caught.value)


FAULTS: dict[str, tuple[Serve, str]] = {
    "another host": (
        lambda authority: answering(tls(authority.folder / "other.pem")),
        "the server has no valid certificate for localhost:{port}: Hostname mismatch",
    ),
    "expired": (
        lambda authority: answering(tls(authority.folder / "expired.pem")),
        "the certificate of localhost:{port} has expired",
    ),
    "old versions": (
        lambda authority: answering(tls(authority.folder / "good.pem", use_old_versions)),
        "localhost:{port} does not offer TLS 1.2 or 1.3",
    ),
    "a plain port": (
        lambda _: answering(plain(b"HTTP/1.1 400 Bad Request\r\n\r\n")),
        "localhost:{port} does not speak TLS: check the provider's URL in the settings",
    ),
}


@pytest.mark.parametrize(("serve", "expected"), FAULTS.values(), ids=FAULTS)
def test_the_fault_is_named(authority: Authority, monkeypatch: pytest.MonkeyPatch, serve: Serve, expected: str) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(authority.certificate))
    with serve(authority) as port:
        assert error_of(port).startswith(expected.format(port=port))


def test_an_unknown_authority_is_named_with_the_variable_that_adds_it(authority: Authority) -> None:
    with answering(tls(authority.folder / "good.pem")) as port:
        error = error_of(port)
    assert error.startswith(f"the certificate of localhost:{port} is not trusted (")
    assert error.endswith("set REQUESTS_CA_BUNDLE to a file with its authority")


def test_a_missing_file_with_authorities_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nowhere/ca.pem")
    assert error_of(1) == "the file with certificates that REQUESTS_CA_BUNDLE or CURL_CA_BUNDLE names is missing"
