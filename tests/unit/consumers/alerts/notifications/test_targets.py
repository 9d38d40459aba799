"""Targets: what is accepted, and what may be shown of their URLs."""

from datetime import timedelta

import pytest

from consumers.alerts.notifications.targets import (
    RateLimit,
    Target,
    check_target_name,
    check_ttl,
    check_url,
    is_webhook,
    redact_url,
)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://hooks.example.com/services/T0/B0/token", "https://hooks.example.com"),
        ("HTTPS://Example.com:8443/path?key=secret#part", "https://example.com:8443"),
        ("http://user:password@127.0.0.1:9000/", "http://127.0.0.1:9000"),
        ("http://[::1]:80/secret", "http://[::1]:80"),
        ("ntfy://a-secret-topic", "ntfy://…"),
        ("tgram://123456:token/chat", "tgram://…"),
        ("mailto://user:password@example.com", "mailto://…"),
    ],
)
def test_of_a_url_only_scheme_and_host_are_shown_and_no_host_that_may_be_a_token(url: str, shown: str) -> None:
    assert redact_url(url) == shown


def test_the_text_of_a_target_has_neither_url_nor_secret() -> None:
    target = Target(1, "phone", "https://example.com/token", "whsec_c2VjcmV0")
    assert "token" not in f"{target!r} {target}"
    assert "whsec" not in f"{target!r} {target}"


@pytest.mark.parametrize(("url", "expected"), [("http://a", True), ("HTTPS://a", True), ("json://a", False)])
def test_http_and_https_are_webhooks(url: str, expected: bool) -> None:
    assert is_webhook(url) is expected


@pytest.mark.parametrize(
    "url",
    ["", "example.com/token", "https://", "https://:80/token", "https://host:99999/token", "https://host:port/token",
     "https://[::1/token", "https://host/a token", "https://host/\x1btoken", "https://host/" + "token" * 1000, "://token"],
)  # fmt: skip
def test_another_text_is_no_url_and_is_not_repeated(url: str) -> None:
    with pytest.raises(ValueError, match="the target's URL") as raised:
        check_url(url)
    assert "token" not in str(raised.value)


def test_a_url_loses_the_spaces_around_it() -> None:
    assert check_url(" https://example.com/a\n") == "https://example.com/a"


@pytest.mark.parametrize("name", ["phone", "Ops-2", "a.b_c", "0", "n" * 64])
def test_a_name_is_a_word(name: str) -> None:
    assert check_target_name(name) == name


@pytest.mark.parametrize("name", ["", "a b", "-a", "a/b", "ä", "n" * 65, "a\n", "*"])
def test_another_name_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="target name"):
        check_target_name(name)


def test_a_limit_is_a_number_per_duration() -> None:
    assert RateLimit.parse(" 10/1m ") == RateLimit(10, timedelta(minutes=1))
    assert str(RateLimit.parse("3/60m")) == "3/1h"


@pytest.mark.parametrize("text", ["", "10", "0/1m", "-1/1m", "10/", "10/1x", "10001/1m", "1/2d", "1.5/1m", "10 / 1m"])
def test_another_limit_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not a limit|is not a duration|limit over more than"):
        RateLimit.parse(text)


def test_a_ttl_has_an_end() -> None:
    assert check_ttl(timedelta(days=7)) == timedelta(days=7)
    with pytest.raises(ValueError, match="a ttl of 8d is too long: use at most 7d"):
        check_ttl(timedelta(days=8))
