"""Every live provider over a connection that is slow, broken, compressed, redirected or limited."""

import gzip
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from producer.providers.base import Interval, QuoteResults
from producer.providers.http.apis.base import HistoricalApi
from producer.providers.http.circuit_breaker import FAILURE_THRESHOLD
from producer.providers.http.provider import HttpProvider
from producer.providers.registry import APIS
from shared.accounts import ACCOUNTS, Account
from shared.errors import (
    AuthenticationFailed,
    InvalidResponse,
    ProviderError,
    ProviderUnavailable,
    RateLimited,
    UnreadableResponse,
)
from shared.times import utc_now
from tests.fake_http_server import Answer, FakeHttpServer, Request, Script, always, fake_http_server
from tests.fake_provider_requests import KEY, TIMEOUTS, make_historical_provider, prices

PRICES = {"AAPL": "187.44", "BRK.B": "412.35"}
QUOTED = {symbol: Decimal(price) for symbol, price in PRICES.items()}


@dataclass(frozen=True)
class FakeApi:
    """One provider and its fake server; `good` is the server's valid answer."""

    name: str
    server: FakeHttpServer
    folder: Path
    good: Script

    def ask(self, symbols: Sequence[str] = tuple(PRICES), key: str = KEY, per_minute: int | None = 100) -> QuoteResults:
        # Without a limit per day, no provider is throttled to one request per second.
        account = Account(self.server.url, key, per_minute)
        found = HttpProvider(APIS[self.name](account), account, self.folder, TIMEOUTS).quotes(symbols, utc_now())
        assert found.keys() == set(symbols)
        return found


@pytest.fixture(params=ACCOUNTS)
def fake_api(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[FakeApi]:
    answer = import_module(f"tests.fake_apis.{request.param}").answer

    def good(asked: Request) -> Answer:
        return answer(asked, PRICES)  # type: ignore[no-any-return]

    with fake_http_server(good) as server:
        yield FakeApi(request.param, server, tmp_path, good)


def compressed(answer: Answer) -> Answer:
    return replace(answer, body=gzip.compress(answer.content), headers={"Content-Encoding": "gzip"})


Damage = Callable[[Answer], Answer]

DAMAGES: dict[str, tuple[Damage, type[ProviderError]]] = {
    "slow": (lambda answer: replace(answer, delay=1.2), ProviderUnavailable),
    "dripping": (lambda answer: replace(answer, drip=0.3), ProviderUnavailable),
    "closed in the middle": (lambda answer: replace(answer, cut=10), ProviderUnavailable),
    "truncated": (lambda answer: Answer(answer.content[:-10]), UnreadableResponse),
    "half of what was compressed": (
        lambda answer: replace(compressed(answer), body=compressed(answer).content[:40]),
        UnreadableResponse,
    ),
    "a page": (lambda _: Answer("<html><title>Just a moment</title></html>"), UnreadableResponse),
    "nothing": (lambda _: Answer(""), UnreadableResponse),
    "null": (lambda _: Answer("null"), InvalidResponse),
    "a list": (lambda _: Answer("[]"), InvalidResponse),
    "redirected elsewhere": (lambda _: Answer("", 302, {"Location": "http://localhost:1/"}), ProviderUnavailable),
    "away": (lambda _: Answer("", 503), ProviderUnavailable),
    "limited": (lambda _: Answer("Too Many Requests", 429), RateLimited),
    "limited for a while": (lambda _: Answer("", 429, {"Retry-After": "90"}), RateLimited),
}


@pytest.mark.parametrize("how", DAMAGES)
def test_a_damaged_answer_has_no_price(fake_api: FakeApi, how: str) -> None:
    damage, kind = DAMAGES[how]
    fake_api.server.answer = lambda request: damage(fake_api.good(request))
    found = fake_api.ask()
    assert prices(found) == {}
    assert {type(each) for each in found.values()} == {kind}
    assert KEY not in "".join(map(str, found.values()))


def test_a_compressed_answer_is_read(fake_api: FakeApi) -> None:
    assert prices(fake_api.ask()) == QUOTED
    fake_api.server.answer = lambda request: compressed(fake_api.good(request))
    assert prices(fake_api.ask()) == QUOTED


def test_an_answer_in_another_encoding_of_unicode_is_read(fake_api: FakeApi) -> None:
    for encoding in ("utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"):

        def encoded(request: Request, encoding: str = encoding) -> Answer:
            return replace(good := fake_api.good(request), body=good.content.decode().encode(encoding))

        fake_api.server.answer = encoded
        assert prices(fake_api.ask()) == QUOTED, encoding


@pytest.mark.parametrize("odd", [{}, None], ids=str)
def test_an_odd_symbol_never_opens_the_circuit(fake_api: FakeApi, odd: Any) -> None:
    fake_api.server.answer = always(Answer(json.dumps(odd)))
    for _ in range(FAILURE_THRESHOLD + 1):
        assert isinstance(fake_api.ask(["AAPL"])["AAPL"], ProviderError)
    fake_api.server.answer = fake_api.good
    assert prices(fake_api.ask()) == QUOTED


@pytest.mark.parametrize("name", [name for name, api in APIS.items() if isinstance(api(ACCOUNTS[name]), HistoricalApi)])
def test_odd_past_prices_of_one_symbol_never_open_the_circuit(name: str, tmp_path: Path) -> None:
    now = utc_now()
    with fake_http_server(always(Answer({}))) as server:
        provider = make_historical_provider(name, tmp_path, server.url)
        for _ in range(FAILURE_THRESHOLD + 1):
            with pytest.raises(InvalidResponse):
                provider.history("AAPL", Interval.DAY, now - timedelta(days=9), now)
        assert len(server.requests) == FAILURE_THRESHOLD + 1


@pytest.mark.parametrize("failure", [Answer("", 500), Answer("", 502), Answer("", 429, {"Retry-After": "1"})])
def test_one_server_error_is_retried(fake_api: FakeApi, failure: Answer) -> None:
    failed: list[Request] = []

    def answer(request: Request) -> Answer:
        if failed:
            return fake_api.good(request)
        failed.append(request)
        return failure

    fake_api.server.answer = answer
    assert prices(fake_api.ask()) == QUOTED


def test_an_unknown_symbol_does_not_affect_the_others(fake_api: FakeApi) -> None:
    found = fake_api.ask(["AAPL", "NOSUCH", "BRK.B"])
    assert prices(found) == QUOTED
    assert isinstance(found["NOSUCH"], ProviderError)


@pytest.mark.parametrize("fake_api", [name for name in ACCOUNTS if name != "yahoo"], indirect=True)
def test_a_rejected_key_is_sent_once(fake_api: FakeApi) -> None:
    # More symbols than one request takes, at every provider.
    found = fake_api.ask([f"S{number}" for number in range(300)], key="wrong-key", per_minute=None)
    assert {type(each) for each in found.values()} == {AuthenticationFailed}
    assert len(fake_api.server.requests) == 1
    assert "wrong-key" not in "".join(map(str, found.values()))
