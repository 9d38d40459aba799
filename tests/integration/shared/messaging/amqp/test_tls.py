"""The error of each fault of TLS names the fault and the setting to change, against real TLS servers."""

import ssl
from collections.abc import Callable

import pytest

from shared.errors import BrokerRefused
from shared.messaging.address import BrokerAddress
from shared.messaging.amqp.connection import connect
from tests.tls_servers import Authority, answering, plain, tls, use_old_versions, want_client_certificate

AMQP_GREETING = b"AMQP\x00\x00\x09\x01"
OTHER_HOST = "is for another host: use the host's name from the certificate in STOCKWIRE_AMQP_URL"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    authority = Authority(tmp_path_factory.mktemp("authority"))
    authority.issue("good", "DNS:localhost,IP:127.0.0.1")
    authority.issue("other", "DNS:rabbit.example")
    authority.issue("expired", days=-1)
    return authority


def refusal(url: str) -> str:
    with pytest.raises(BrokerRefused) as caught:
        connect(BrokerAddress.parse(url), "test")
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("name", "host", "expected"),
    [
        ("other", "localhost", OTHER_HOST),
        ("other", "127.0.0.1", OTHER_HOST),
        ("expired", "localhost", "has expired: give the server a new one"),
    ],
)
def test_the_fault_of_a_certificate_is_named(authority: Authority, name: str, host: str, expected: str) -> None:
    with answering(tls(authority.folder / f"{name}.pem")) as port:
        error = refusal(f"amqps://u:p@{host}:{port}/?cacertfile={authority.certificate}")
    assert error.startswith(f"the certificate of RabbitMQ at amqps://{host}:{port}/ {expected}")


def test_a_certificate_of_an_unknown_authority_is_not_called_expired_or_wrong(authority: Authority) -> None:
    with answering(tls(authority.folder / "good.pem")) as port:
        error = refusal(f"amqps://localhost:{port}/")
    assert "is not trusted: add ?cacertfile=FILE with the authority that signed it to STOCKWIRE_AMQP_URL" in error


def test_a_server_with_only_old_versions_of_tls_is_named(authority: Authority) -> None:
    with answering(tls(authority.folder / "good.pem", use_old_versions)) as port:
        error = refusal(f"amqps://localhost:{port}/?cacertfile={authority.certificate}")
    assert error.startswith(f"RabbitMQ at amqps://localhost:{port}/ does not offer TLS 1.2 or 1.3: ")


@pytest.mark.parametrize("greeting", [AMQP_GREETING, b"HTTP/1.1 400 Bad Request\r\n\r\n"])
def test_a_plain_port_is_named(greeting: bytes) -> None:
    with answering(plain(greeting)) as port:
        error = refusal(f"amqps://localhost:{port}/")
    assert "does not speak TLS on this port: use its TLS port, usually 5671, or amqp:// in STOCKWIRE_AMQP_URL" in error


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_server_that_wants_a_certificate_of_the_client_is_named(
    authority: Authority, version: ssl.TLSVersion
) -> None:
    def change(context: ssl.SSLContext) -> None:
        want_client_certificate(authority)(context)
        context.maximum_version = version

    with answering(tls(authority.folder / "good.pem", change)) as port:
        error = refusal(f"amqps://localhost:{port}/?cacertfile={authority.certificate}")
    assert "wants a certificate that it trusts: add ?certfile=FILE&keyfile=FILE to STOCKWIRE_AMQP_URL" in error


def encrypted_key(authority: Authority) -> str:
    return f"certfile={authority.folder}/good.pem&keyfile={authority.encrypt_key('good')}"


def no_certificate(authority: Authority) -> str:
    (authority.folder / "empty.pem").write_text("")
    return f"cacertfile={authority.folder}/empty.pem"


FILES: dict[str, tuple[Callable[[Authority], str], str]] = {
    "missing authority": (lambda _: "cacertfile=/nowhere/ca.pem", "cacertfile=/nowhere/ca.pem: No such file"),
    "authority without a certificate": (no_certificate, "empty.pem: it has no certificate in PEM format"),
    "missing certificate": (lambda _: "certfile=/nowhere/c.pem", "certfile=/nowhere/c.pem: No such file"),
    "missing key": (
        lambda authority: f"certfile={authority.folder}/good.pem&keyfile=/nowhere/c.key",
        "keyfile=/nowhere/c.key: No such file",
    ),
    "key of another certificate": (
        lambda authority: f"certfile={authority.folder}/good.pem&keyfile={authority.folder}/other.key",
        "good.pem: its key is not the one in keyfile",
    ),
    "key with a password": (encrypted_key, "good.pem: its key has a password: use a key without one"),
}


@pytest.mark.parametrize(("query", "expected"), FILES.values(), ids=FILES)
def test_a_tls_file_that_cannot_be_used_is_named(
    authority: Authority, query: Callable[[Authority], str], expected: str
) -> None:
    error = refusal(f"amqps://localhost:1/?{query(authority)}")
    assert error.startswith("the TLS files of STOCKWIRE_AMQP_URL cannot be used: ")
    assert expected in error
