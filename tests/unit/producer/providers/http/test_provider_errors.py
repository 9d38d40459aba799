"""The messages of provider errors: found in an answer, completed to a sentence, and without the key."""

from datetime import UTC, datetime
from typing import Any

import pytest

from producer.providers.http.apis.finnhub import Finnhub
from producer.providers.http.provider_errors import complete, find_message, rate_limited
from producer.providers.http.redaction import make_redactor
from shared.errors import (
    AuthenticationFailed,
    InvalidResponse,
    NoPrices,
    ProviderError,
    ProviderUnavailable,
    RateLimited,
    UnknownSymbol,
)
from tests.event_factories import NOW

KEY = "s3cr3t key"


def completed(error: ProviderError) -> ProviderError:
    return complete(error, Finnhub(), "STOCKWIRE_FINNHUB_KEY", make_redactor(KEY))


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (
            AuthenticationFailed("Invalid key."),
            "Finnhub rejected the key in STOCKWIRE_FINNHUB_KEY: Invalid key",
        ),
        (
            RateLimited("slow down", NOW),
            f"Finnhub limits requests: slow down; next request after {NOW:%Y-%m-%d %H:%M:%S} UTC",
        ),
        (NoPrices("too old"), "Finnhub has no prices in this time range: too old"),
        (UnknownSymbol("all zero"), "Finnhub cannot deliver this symbol: all zero"),
        (InvalidResponse("the price is missing"), "Finnhub sent an invalid response: the price is missing"),
        (ProviderUnavailable("HTTP 503: down"), "Finnhub is unavailable: HTTP 503: down"),
        (ProviderError("out of order"), "Finnhub failed: out of order"),
    ],
)
def test_an_error_becomes_a_sentence_of_the_same_kind(error: ProviderError, sentence: str) -> None:
    found = completed(error)
    assert (type(found), str(found)) == (type(error), sentence)
    if isinstance(error, RateLimited):
        assert isinstance(found, RateLimited)
        assert found.retry_at == error.retry_at


@pytest.mark.parametrize("quoted", [KEY, "s3cr3t+key", "s3cr3t…", f"{KEY}."])
def test_the_key_is_redacted(quoted: str) -> None:
    assert str(completed(UnknownSymbol(f"bad key {quoted}"))) == "Finnhub cannot deliver this symbol: bad key ***"


def test_without_a_key_nothing_is_redacted() -> None:
    assert make_redactor("")("a message…") == "a message…"


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ({"message": "no", "error": "yes"}, "no"),
        ({"message": " ", "error": "yes"}, "yes"),
        ({"error": {"message": "nested\nline"}}, "nested line"),
        ({"error": 5}, ""),
        ({"price": "1"}, ""),
        (["message"], ""),
        (None, ""),
    ],
)
def test_the_message_is_found_in_the_usual_fields(answer: Any, message: str) -> None:
    assert find_message(answer) == message


def test_a_rate_limit_ends_with_the_minute_or_the_day() -> None:
    now = datetime(2024, 11, 20, 10, 30, 3, tzinfo=UTC)
    assert rate_limited("slow down", now).retry_at == datetime(2024, 11, 20, 10, 31, tzinfo=UTC)
    assert rate_limited("slow down", now, whole_day=True).retry_at == datetime(2024, 11, 21, tzinfo=UTC)
