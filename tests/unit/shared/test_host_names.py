import pytest

from shared.host_names import check_host


@pytest.mark.parametrize(
    "host",
    ["localhost", "rabbit-1", "my_rabbit", "api.twelvedata.com", "api.twelvedata.com.", "10.0.0.1", "bücher.example"],
)
def test_a_name_that_may_exist_is_valid(host: str) -> None:
    assert check_host(host) == host


@pytest.mark.parametrize("host", ["::1", "fe80::1%eth0", "::ffff:10.0.0.1"])
def test_an_ipv6_address_is_valid(host: str) -> None:
    assert check_host(host) == host


@pytest.mark.parametrize(
    "host",
    [
        "",
        ".",
        "a..b",
        ".a",
        "a" * 64,
        "ab." * 100,
        "a b",
        "*",
        "a%20b",
        "\x1bx",
        "ü" * 64,
        "\udcff",
        "a/b",
        "::g",
        "1:2",
    ],
)
def test_a_name_that_cannot_exist_is_refused(host: str) -> None:
    with pytest.raises(ValueError, match=r"has an invalid (host name|IPv6 address): "):
        check_host(host)
