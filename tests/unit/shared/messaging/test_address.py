import pickle
import ssl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.messaging.address import BrokerAddress
from tests.event_factories import property_test

SECRET = "s3cr3t"

words = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)


@pytest.mark.parametrize(
    ("url", "host", "port", "username", "virtual_host"),
    [
        ("amqp://guest:guest@localhost:5672/", "localhost", 5672, "guest", "/"),
        ("amqp://", "localhost", 5672, "guest", "/"),
        ("amqp://rabbit", "rabbit", 5672, "guest", "/"),
        ("amqps://rabbit", "rabbit", 5671, "guest", "/"),
        ("amqp://rabbit:1234", "rabbit", 1234, "guest", "/"),
        ("amqp://u:p@rabbit/prices", "rabbit", 5672, "u", "prices"),
        ("amqp://u:p@rabbit/%2f", "rabbit", 5672, "u", "/"),
        ("amqp://u:p@rabbit//", "rabbit", 5672, "u", "/"),
        ("amqp://u:p@rabbit/a%2Fb", "rabbit", 5672, "u", "a/b"),
        ("amqp://a%40b:p%3A%2F@rabbit/", "rabbit", 5672, "a@b", "/"),
        ("amqp://[::1]/", "::1", 5672, "guest", "/"),
        ("amqp://u:p@[fe80::1]:5673/v", "fe80::1", 5673, "u", "v"),
        ("amqp://127.0.0.1:5672/?heartbeat=5", "127.0.0.1", 5672, "guest", "/"),
    ],
)
def test_a_url_is_parsed_into_its_parts(url: str, host: str, port: int, username: str, virtual_host: str) -> None:
    address = BrokerAddress.parse(url)
    assert (address.host, address.port, address.username, address.virtual_host) == (host, port, username, virtual_host)
    assert (address.tls is not None) == url.startswith("amqps")


def test_a_percent_encoded_password_may_contain_any_character() -> None:
    assert BrokerAddress.parse("amqp://u:p%40%2F%3A%3F%23%25@h/").password == "p@/:?#%"


@pytest.mark.parametrize(
    "url",
    [
        "",
        "localhost",
        "http://localhost/",
        "amqp:localhost",
        "amqp:/localhost",
        "amqp://h:port/",
        "amqp://h:99999/",
        "amqp://[::1/",
        " amqp://h/",
        "amqp://h/\n",
        "amqp://ho\nst/",
        "amqp://h/\t",
        '"amqp://h/"',
        "'amqp://h/'",
        "amqp://h/v w",
        "amqp://u:@h/",
        "amqp://u@h/",
        "amqp://:p@h/",
        "amqp://:@h/",
        "amqp://@h/",
        "amqp://a/;amqp://b/",
        "amqp://a/,amqps://b/",
        "amqp://u:p@a/;amqp://u:p@b/",
        "amqp://a/ amqp://b/",
        "amqp://a:5672,b:5672/",
        "amqp://u:p@a;b/",
        "AMQP://h/",
        "redis://h/",
        "amqp://h/?heartbeat=0",
        "amqp://h/?heartbeat=601",
        "amqp://h/?heartbeat=fast",
        "amqp://h/?heartbeat=",
        f"amqp://h/?heartbeat={'9' * 5000}",
        "amqp://a..b/",
        f"amqp://{'a' * 64}/",
        "amqp://a%20b/",
        "amqp://[::g]/",
        f"amqp://h/{'v' * 128}",
        "amqps://h/?server_name_indication=a..b",
        "amqp://h/?hartbeat=5",
        "amqp://h/?cacertfile=/ca.pem",
        "amqps://h/?verify=maybe",
        "amqps://h/?fail_if_no_peer_cert=true",
    ],
)
def test_any_other_url_is_rejected(url: str) -> None:
    with pytest.raises(ValueError, match=r"^(is not|has)"):
        BrokerAddress.parse(url)


@pytest.mark.parametrize("url", ["amqp://u:@h/", "amqp://u@h/"])
def test_an_empty_password_is_not_replaced_by_the_one_of_guest(url: str) -> None:
    with pytest.raises(ValueError, match=r"^has no password before the @: write amqp://user:password@host:5672/$"):
        BrokerAddress.parse(url)


@pytest.mark.parametrize(
    "url", ["amqp://a/;amqp://b/", "amqp://u:s3cr3t@a/;amqp://u:s3cr3t@b/", "amqp://u:s3cr3t@a:5672,b:5672/v"]
)
def test_several_brokers_in_one_url_are_an_error_that_says_so(url: str) -> None:
    with pytest.raises(ValueError, match=r"^has several brokers: use the URL of one$"):
        BrokerAddress.parse(url)


def test_a_comma_in_a_password_is_not_another_broker() -> None:
    address = BrokerAddress.parse("amqp://u:a,b;c@h/v;w")
    assert (address.password, address.host, address.virtual_host) == ("a,b;c", "h", "v;w")


@pytest.mark.parametrize("sign", ["/", "?", "#"])
def test_a_password_that_is_not_percent_encoded_is_neither_misread_nor_shown(sign: str) -> None:
    """`u:12/s3cr3t@h` reads as host u, port 12 and virtual host s3cr3t@h."""
    for start in ("12", "p"):
        with pytest.raises(ValueError, match=r".") as caught:
            BrokerAddress.parse(f"amqp://u:{start}{sign}{SECRET}@h/")
        assert SECRET not in str(caught.value)


def test_tls_verifies_the_brokers_certificate_by_default() -> None:
    tls = BrokerAddress.parse("amqps://h/").tls
    assert tls
    assert (tls.context().verify_mode, tls.context().check_hostname) == (ssl.CERT_REQUIRED, True)
    tls = BrokerAddress.parse("amqps://h/?verify=verify_none").tls
    assert tls
    assert (tls.context().verify_mode, tls.context().check_hostname) == (ssl.CERT_NONE, False)


def test_tls_files_and_server_name_are_read_from_the_query() -> None:
    url = "amqps://h/?cacertfile=/ca.pem&certfile=/c.pem&keyfile=/k.pem&server_name_indication=rabbit.local&heartbeat=7"
    address = BrokerAddress.parse(url)
    tls = address.tls
    assert tls
    assert (tls.cacertfile, tls.certfile, tls.keyfile) == ("/ca.pem", "/c.pem", "/k.pem")
    assert (tls.server_name, tls.verify, address.heartbeat) == ("rabbit.local", True, 7)


def test_tls_files_may_be_in_the_home_directory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    tls = BrokerAddress.parse("amqps://h/?cacertfile=~/ca.pem&certfile=~/c.pem&keyfile=%7E/k.pem").tls
    assert tls
    assert (tls.cacertfile, tls.certfile, tls.keyfile) == ("/home/me/ca.pem", "/home/me/c.pem", "/home/me/k.pem")
    with pytest.raises(ValueError, match=r"^has cacertfile='~nobody-here/ca.pem' is in the home"):
        BrokerAddress.parse("amqps://h/?cacertfile=~nobody-here/ca.pem")


def test_a_missing_tls_file_raises_an_os_error() -> None:
    tls = BrokerAddress.parse("amqps://h/?cacertfile=/nowhere/ca.pem").tls
    assert tls
    with pytest.raises(OSError, match=r"."):
        tls.context()


@pytest.mark.parametrize("url", [f"amqp://u:{SECRET}@h:1/v", f"amqps://u:{SECRET}@[::1]/"])
def test_the_text_of_an_address_shows_the_host_and_no_password(url: str) -> None:
    address = BrokerAddress.parse(url)
    for text in (str(address), repr(address), f"{address}", f"{[address]}"):
        assert SECRET not in text
        assert address.host in text


def test_the_text_of_an_address_is_a_url() -> None:
    texts = [str(BrokerAddress.parse(url)) for url in ("amqp://", "amqps://u:p@h/a%2Fb", "amqp://[::1]:1/v")]
    assert texts == ["amqp://localhost:5672/", "amqps://h:5671/a%2Fb", "amqp://[::1]:1/v"]


@property_test
@given(words, words, words)
def test_the_url_for_other_libraries_parses_to_the_same_address(
    username: str, password: str, virtual_host: str
) -> None:
    address = BrokerAddress("::1", 1234, username, password, virtual_host)
    assert BrokerAddress.parse(address.url()) == address


def test_an_address_can_be_pickled() -> None:
    address = BrokerAddress.parse(f"amqps://u:{SECRET}@h/v?verify=verify_none")
    assert pickle.loads(pickle.dumps(address)) == address
