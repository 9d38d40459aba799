"""Signatures of webhooks: the known answer of Standard Webhooks, and secrets that are refused."""

import base64

import pytest

from consumers.alerts.notifications.signing import check_secret, generate_secret, sign

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def test_the_signature_is_the_known_answer_of_the_specification() -> None:
    signature = sign(SECRET, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    assert signature == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@pytest.mark.parametrize(
    ("message_id", "timestamp", "body"),
    [("other", 1614265330, b"{}"), ("id", 1614265331, b"{}"), ("id", 1614265330, b"{ }")],
)
def test_every_part_of_a_message_changes_its_signature(message_id: str, timestamp: int, body: bytes) -> None:
    assert sign(SECRET, message_id, timestamp, body) != sign(SECRET, "id", 1614265330, b"{}")


def test_a_generated_secret_is_valid_and_new() -> None:
    first, second = generate_secret(), generate_secret()
    assert check_secret(f" {first}\n") == first != second


def encoded(size: int) -> str:
    return "whsec_" + base64.b64encode(bytes(size)).decode()


@pytest.mark.parametrize("size", [24, 64])
def test_a_key_of_24_to_64_bytes_is_a_secret(size: int) -> None:
    assert check_secret(encoded(size)) == encoded(size)


@pytest.mark.parametrize(
    "secret",
    [
        "",
        "whsec_",
        encoded(23),
        encoded(65),
        SECRET.removeprefix("whsec_"),
        "whsec_not base64!",
        "whsec_ümlaut",
        "whsec_a",
    ],
)
def test_another_text_is_refused_without_repeating_it(secret: str) -> None:
    with pytest.raises(ValueError, match="the secret is not valid: write whsec_") as raised:
        check_secret(secret)
    assert len(secret) < 7 or secret not in str(raised.value)
