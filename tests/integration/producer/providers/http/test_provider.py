"""A provider over HTTP, with its quota and circuit breaker: a fake server and a real state database."""

import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import ClassVar

import pytest

from producer.market_service import collect_events, describe_errors
from producer.providers.base import Quote
from producer.providers.http.apis.finnhub import Finnhub
from producer.providers.http.circuit_breaker import FAILURE_THRESHOLD, MIN_OPEN_TIME, REJECTED_KEY_OPEN_TIME
from producer.providers.http.client import Timeouts
from producer.providers.http.provider import HttpProvider
from producer.providers.http.quota import read_usage
from producer.state import open_state
from shared.accounts import Account
from shared.database.engine import reading
from shared.errors import (
    AuthenticationFailed,
    InvalidResponse,
    ProviderError,
    ProviderUnavailable,
    RateLimited,
    UnknownSymbol,
    UnreadableResponse,
)
from shared.settings import ROOT
from shared.times import utc_now
from tests.fake_http_server import Answer, FakeHttpServer, Request, Script, always, fake_http_server

KEY = "s3cr3t-key"
PRICE = {"c": 187.44, "d": 1, "dp": 0.5, "h": 188, "l": 186.1, "o": 187, "pc": 186.5, "t": 1_732_096_798}
VALID = Answer(PRICE)
UNAVAILABLE = Answer("down for maintenance", 503)
MANY = [f"S{number}" for number in range(20)]


class ThrottledFinnhub(Finnhub):
    requests_per_second: ClassVar[float | None] = 5


class Clock:
    """A clock that is ahead of the current time by `later`."""

    def __init__(self) -> None:
        self.later = timedelta()

    def __call__(self) -> datetime:
        return utc_now() + self.later


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def provider(tmp_path: Path, clock: Clock) -> Callable[..., HttpProvider]:
    """Return a function that makes a new provider with the same state, as another process would."""

    def make(server: FakeHttpServer, key: str = KEY, api: Finnhub | None = None, **limits: int) -> HttpProvider:
        account = Account(server.url, key, **limits)
        return HttpProvider(api or Finnhub(), account, tmp_path, Timeouts(0.5, 0.5, 1.5), clock)

    return make


Make = Callable[..., HttpProvider]


def by_symbol(bad: dict[str, Answer]) -> Script:
    return lambda request: bad.get(request.query["symbol"], VALID)


def take_requested(server: FakeHttpServer) -> list[str]:
    symbols = [request.query["symbol"] for request in server.requests]
    server.requests.clear()
    return symbols


def fetch(provider: HttpProvider, symbols: Sequence[str]) -> dict[str, Quote | ProviderError]:
    answers = dict(provider.quotes(symbols, utc_now()))
    assert answers.keys() == set(symbols)
    return answers


def prices(answers: dict[str, Quote | ProviderError]) -> list[str]:
    return [symbol for symbol, answer in answers.items() if isinstance(answer, Quote)]


INVALID = {
    "ZERO": (Answer({**PRICE, "c": 0, "t": 0}), UnknownSymbol, "all fields of its quote are zero"),
    "NULL": (Answer({**PRICE, "c": None}), InvalidResponse, "the price is missing"),
    "NEGATIVE": (Answer({**PRICE, "c": -1}), InvalidResponse, "the price"),
    "TIMELESS": (Answer({**PRICE, "t": 0}), InvalidResponse, "the time is '0'"),
    "EMPTY": (Answer({}), InvalidResponse, "the price is missing"),
    "LIST": (Answer([187.44]), InvalidResponse, "the answer is an array"),
    "NOTHING": (Answer(""), UnreadableResponse, "an empty body"),
    "PAGE": (Answer("<html><title>Just a moment</title>"), UnreadableResponse, "an HTML page ('Just a moment')"),
    "TRUNCATED": (Answer('{"c": 187.4'), UnreadableResponse, "broken JSON"),
    "GARBAGE": (Answer(bytes(range(256))), UnreadableResponse, "text that is not JSON"),
    "NAN": (Answer('{"c": NaN, "t": 1732096798}'), InvalidResponse, "the price is missing"),
    "ENDLESS": (Answer('{"c": 1e999999999, "t": 1732096798}'), InvalidResponse, "is not a decimal number"),
    "CUT": (Answer(PRICE, cut=9), ProviderUnavailable, "closed the connection in the middle"),
    "MISSING": (Answer({"error": "no such symbol"}, 404), UnknownSymbol, "no such symbol"),
    "PLAN": (Answer({"error": "not in your plan"}, 403), UnknownSymbol, "not in your plan"),
    "ODD": (Answer({"error": "teapot"}, 418), InvalidResponse, "HTTP 418 I'm a Teapot: teapot"),
    "SLOW": (Answer(PRICE, delay=2), ProviderUnavailable, "no answer within 0.5 s"),
    "BROKEN": (Answer({"error": "internal"}, 500), ProviderUnavailable, "HTTP 500 Internal Server Error: internal"),
}


@pytest.mark.parametrize("bad", INVALID)
def test_an_invalid_answer_fails_only_its_symbol_and_is_quoted(provider: Make, bad: str) -> None:
    answer, kind, message = INVALID[bad]
    with fake_http_server(by_symbol({bad: answer})) as server:
        answers = fetch(provider(server), ["AAPL", bad, "MSFT"])
    found = answers.pop(bad)
    assert type(found) is kind
    assert message in str(found)
    assert prices(answers) == ["AAPL", "MSFT"]


def test_prices_are_exactly_as_sent(provider: Make) -> None:
    with fake_http_server(always(Answer('{"c": 187.440, "h": 188, "l": 0, "t": 1732096798}'))) as server:
        quote = fetch(provider(server), ["AAPL"])["AAPL"]
    assert isinstance(quote, Quote)
    assert (quote.price, quote.high, quote.low) == (Decimal("187.44"), Decimal(188), None)


def test_the_quota_per_minute_is_shared_and_kept_and_covers_every_symbol_in_turn(provider: Make, clock: Clock) -> None:
    with fake_http_server(always(VALID)) as server:
        first = fetch(provider(server, per_minute=8), MANY)
        assert sorted(take_requested(server)) == sorted(MANY[:8]) == sorted(prices(first))
        left = first[MANY[8]]
        assert isinstance(left, RateLimited)
        assert "Finnhub's quota of 8 per minute (STOCKWIRE_FINNHUB_PER_MINUTE) is used up until" in str(left)
        assert timedelta(seconds=50) < left.retry_at - clock() <= timedelta(seconds=60.5)

        assert prices(fetch(provider(server, per_minute=8), MANY)) == []
        assert take_requested(server) == []

        clock.later = timedelta(seconds=61)
        fetch(provider(server, per_minute=8), MANY)
        assert sorted(take_requested(server)) == sorted(MANY[8:16])
        clock.later = timedelta(seconds=122)
        fetch(provider(server, per_minute=8), MANY)
        assert sorted(take_requested(server)) == sorted([*MANY[16:], *MANY[:4]])


def test_the_quota_per_day_ends_at_midnight_utc(provider: Make, clock: Clock) -> None:
    with fake_http_server(always(VALID)) as server:
        answers = fetch(provider(server, per_day=3), MANY[:5])
        assert take_requested(server) == MANY[:3]
    left = answers[MANY[4]]
    assert isinstance(left, RateLimited)
    assert "Finnhub's quota of 3 per day (STOCKWIRE_FINNHUB_PER_DAY)" in str(left)
    assert left.retry_at.time().isoformat() == "00:00:00"


def test_a_clock_that_was_ahead_blocks_neither_credits_nor_symbols(provider: Make, clock: Clock) -> None:
    with fake_http_server(always(VALID)) as server:
        clock.later = timedelta(days=1)
        fetch(provider(server, per_minute=2), MANY[:4])
        clock.later = timedelta()
        assert prices(fetch(provider(server, per_minute=2), MANY[:4])) == []
        take_requested(server)
        for minutes in (1, 2, 3):
            clock.later = timedelta(seconds=61 * minutes)
            assert len(prices(fetch(provider(server, per_minute=2), MANY[:4]))) == 2
        assert sorted(take_requested(server)) == sorted([*MANY[2:4], *MANY[:2], *MANY[2:4]])


def test_concurrent_processes_never_exceed_the_quota(tmp_path: Path) -> None:
    script = """
import sys
from pathlib import Path
from producer.providers.http.quota import reserve
from producer.state import open_state
from shared.accounts import Account
from shared.database.engine import writing
from shared.times import utc_now

account = Account("http://localhost", per_minute=50)
with open_state(Path(sys.argv[1])) as engine:
    for _ in range(40):
        with writing(engine) as connection:
            reserve(connection, "shared", account, 1, utc_now())
"""
    command = [sys.executable, "-c", script, str(tmp_path)]
    processes = [subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE) for _ in range(3)]
    for process in processes:
        assert process.communicate(timeout=60)[1] == b""
        assert process.returncode == 0
    with open_state(tmp_path) as engine, reading(engine) as connection:
        usage = read_usage(connection, "shared")
    assert sum(amount for _, amount in usage) == 50


def test_a_retry_uses_credits(provider: Make) -> None:
    with fake_http_server(always(UNAVAILABLE)) as server:
        fetch(provider(server, per_minute=2), ["AAPL"])
        assert take_requested(server) == ["AAPL"] * 2
        assert isinstance(fetch(provider(server, per_minute=2), ["AAPL"])["AAPL"], RateLimited)


def test_a_rejected_key_stops_all_requests_and_is_not_sent_again(provider: Make, clock: Clock) -> None:
    rejected = Answer({"error": f"Invalid API key {KEY}"}, 401)
    with fake_http_server(always(rejected)) as server:
        answers = fetch(provider(server), MANY)
        assert len(take_requested(server)) == 1
        assert {type(each) for each in answers.values()} == {AuthenticationFailed}
        assert str(answers["S0"]) == "Finnhub rejected the key in STOCKWIRE_FINNHUB_KEY: Invalid API key ***"

        with pytest.raises(AuthenticationFailed, match=r"^Finnhub rejected the key .*; next request after ") as error:
            fetch(provider(server), MANY)
        assert KEY not in str(error.value)
        assert take_requested(server) == []

        server.answer = always(VALID)
        assert prices(fetch(provider(server, key="another"), ["AAPL"])) == ["AAPL"]
        clock.later = REJECTED_KEY_OPEN_TIME + timedelta(seconds=1)
        assert prices(fetch(provider(server), ["AAPL"])) == ["AAPL"]


@pytest.mark.parametrize("length", [2, 4, 9])
def test_a_key_is_redacted_even_if_the_message_is_truncated_inside_it(provider: Make, length: int) -> None:
    # Messages are truncated to 200 characters.
    message = "x" * (199 - length) + KEY
    with fake_http_server(always(Answer({"error": message}, 401))) as server:
        said = str(fetch(provider(server), ["AAPL"])["AAPL"])
    assert said.endswith("x***" if length >= 4 else f"x{KEY[:length]}…")


def test_a_rejected_key_outranks_a_rate_limit_of_a_concurrent_request(provider: Make, clock: Clock) -> None:
    limited = Answer({"error": "API limit reached."}, 429, {"Retry-After": "9"}, delay=0.3)
    rejected = Answer({"error": "Invalid API key"}, 401, delay=0.1)
    with fake_http_server(always(VALID)) as server:
        fetch(provider(server), ["AAPL"])
        server.answer = by_symbol({"IBM": limited, "MSFT": rejected})
        fetch(provider(server), ["IBM", "MSFT"])
        clock.later = timedelta(seconds=30)
        with pytest.raises(AuthenticationFailed):
            fetch(provider(server), ["AAPL"])


def test_throttled_requests_are_neither_sent_nor_charged_after_the_circuit_opens(
    provider: Make, tmp_path: Path
) -> None:
    with fake_http_server(always(VALID)) as server:
        fetch(provider(server, api=ThrottledFinnhub()), ["AAPL"])
        server.answer = always(Answer({"error": "Invalid API key"}, 401))
        throttled = provider(server, api=ThrottledFinnhub())
        answers = fetch(throttled, MANY[:8])
        assert {type(each) for each in answers.values()} == {AuthenticationFailed}
        sent = len(take_requested(server))
    assert sent <= 3
    with open_state(tmp_path) as engine, reading(engine) as connection:
        assert sum(amount for _, amount in read_usage(connection, throttled.account_name)) == sent


def test_requests_are_throttled_across_calls(provider: Make) -> None:
    with fake_http_server(always(VALID)) as server:
        throttled = provider(server, api=ThrottledFinnhub())
        start = time.monotonic()
        for _ in range(3):
            fetch(throttled, ["AAPL"])
    assert time.monotonic() - start >= 0.4


def test_every_process_respects_a_rate_limit_of_the_provider(provider: Make, clock: Clock) -> None:
    limited = Answer({"error": "API limit reached."}, 429, {"Retry-After": "90"})
    with fake_http_server(always(limited)) as server:
        answers = fetch(provider(server), MANY)
        assert len(take_requested(server)) == 1
        assert {type(each) for each in answers.values()} == {RateLimited}
        with pytest.raises(RateLimited, match="API limit reached") as error:
            fetch(provider(server), MANY)
        assert timedelta(seconds=80) < error.value.retry_at - clock() <= timedelta(seconds=90)
        assert take_requested(server) == []
        server.answer = always(VALID)
        clock.later = timedelta(seconds=91)
        assert prices(fetch(provider(server), ["AAPL"])) == ["AAPL"]


def test_a_failing_provider_opens_the_circuit_and_is_tried_again_with_one_request(provider: Make, clock: Clock) -> None:
    with fake_http_server(always(Answer("<html>Bad gateway</html>"))) as server:
        answers = fetch(provider(server), MANY)
        # A half-open circuit sends one request first. Then all concurrent requests may fail.
        assert FAILURE_THRESHOLD <= len(take_requested(server)) <= len(MANY)
        assert {type(each) for each in answers.values()} <= {UnreadableResponse, ProviderUnavailable}
        with pytest.raises(ProviderUnavailable, match=r"^Finnhub sent an invalid response: an HTML page; next "):
            fetch(provider(server), MANY)
        assert take_requested(server) == []

        clock.later = MIN_OPEN_TIME + timedelta(seconds=1)
        fetch(provider(server), MANY)
        assert len(take_requested(server)) == 1

        server.answer = always(VALID)
        clock.later += 2 * MIN_OPEN_TIME
        assert len(prices(fetch(provider(server), MANY))) == len(MANY)
        server.answer = by_symbol({"S3": UNAVAILABLE})
        assert len(prices(fetch(provider(server), MANY))) == len(MANY) - 1


def test_unknown_symbols_do_not_open_the_circuit(provider: Make) -> None:
    unknown = Answer({**PRICE, "c": 0, "t": 0})
    with fake_http_server(always(unknown)) as server:
        for _ in range(2):
            assert {type(each) for each in fetch(provider(server), MANY).values()} == {UnknownSymbol}
        assert len(take_requested(server)) == 2 * len(MANY)


def test_the_next_provider_is_asked_for_symbols_that_the_first_cannot_deliver(provider: Make, tmp_path: Path) -> None:
    now = int(utc_now().timestamp())

    def first(request: Request) -> Answer:
        return UNAVAILABLE if request.query["symbol"] == "MSFT" else Answer({**PRICE, "t": now})

    with fake_http_server(first) as one, fake_http_server(always(Answer({**PRICE, "c": 400.5, "t": now}))) as two:
        providers = [provider(one, per_minute=3), provider(two)]
        events, errors, _ = collect_events(providers, ["AAPL", "MSFT", "IBM"], utc_now(), utc_now)
    assert {symbol: str(event.price) for symbol, event in events.items()} == {
        "AAPL": "187.44",
        "MSFT": "400.5",
        "IBM": "187.44",
    }
    assert [symbol for symbol, found in errors.items() if found] == ["MSFT"]
    assert [request.query["symbol"] for request in two.requests] == ["MSFT"]


def test_a_symbol_that_all_providers_fail_has_the_message_of_each(provider: Make) -> None:
    with fake_http_server(always(UNAVAILABLE)) as one, fake_http_server(always(Answer({"error": "no"}, 404))) as two:
        _, errors, _ = collect_events([provider(one), provider(two, key="other")], ["AAPL"], utc_now(), utc_now)
    assert describe_errors(errors["AAPL"]).endswith("Finnhub cannot deliver this symbol: no")


def test_a_forbidden_html_page_is_not_a_rejected_key(provider: Make) -> None:
    with fake_http_server(always(Answer("<html><title>Attention Required!</title>", 403))) as server:
        error = fetch(provider(server), ["AAPL"])["AAPL"]
    assert type(error) is ProviderUnavailable
    assert "an HTML page ('Attention Required!')" in str(error)
