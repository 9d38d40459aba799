"""Each live provider over a connection that is slow, broken, packed, redirected or limited: one promise for all."""

import gzip
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from importlib import import_module
from pathlib import Path

import pytest

from producer.providers.base import QuoteResults
from producer.providers.http.provider import HttpProvider
from producer.providers.registry import APIS
from shared.accounts import ACCOUNTS, Account
from shared.errors import AuthenticationFailed, InvalidResponse, ProviderError, ProviderUnavailable, RateLimited
from shared.times import utc_now
from tests.fake_http_server import Answer, FakeHttpServer, Request, Script, fake_http_server
from tests.fake_provider_requests import KEY, TIMEOUTS, prices

PRICES = {"AAPL": "187.44", "BRK.B": "412.35"}
QUOTED = {symbol: Decimal(price) for symbol, price in PRICES.items()}


@dataclass(frozen=True)
class Played:
    """One provider, played by `server`, and asked by `ask`; `good` is how it answers when all is well."""

    name: str
    server: FakeHttpServer
    folder: Path
    good: Script

    def ask(self, symbols: Sequence[str] = tuple(PRICES), key: str = KEY, per_minute: int | None = 100) -> QuoteResults:
        # Without a limit a day, none of them is held to one call a second.
        account = Account(self.server.url, key, per_minute)
        found = HttpProvider(APIS[self.name](account), account, self.folder, TIMEOUTS).quotes(symbols, utc_now())
        assert found.keys() == set(symbols)
        return found


@pytest.fixture(params=ACCOUNTS)
def played(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Played]:
    answer = import_module(f"tests.fake_apis.{request.param}").answer

    def good(asked: Request) -> Answer:
        return answer(asked, PRICES)  # type: ignore[no-any-return]

    with fake_http_server(good) as server:
        yield Played(request.param, server, tmp_path, good)


def packed(answer: Answer) -> Answer:
    return replace(answer, body=gzip.compress(answer.content), headers={"Content-Encoding": "gzip"})


Spoil = Callable[[Answer], Answer]

SPOILED: dict[str, tuple[Spoil, type[ProviderError]]] = {
    "slow": (lambda answer: replace(answer, delay=1.2), ProviderUnavailable),
    "dripping": (lambda answer: replace(answer, drip=0.3), ProviderUnavailable),
    "closed in the middle": (lambda answer: replace(answer, cut=10), ProviderUnavailable),
    "truncated": (lambda answer: Answer(answer.content[:-10]), InvalidResponse),
    "half of what was packed": (
        lambda answer: replace(packed(answer), body=packed(answer).content[:40]),
        InvalidResponse,
    ),
    "a page": (lambda _: Answer("<html><title>Just a moment</title></html>"), InvalidResponse),
    "nothing": (lambda _: Answer(""), InvalidResponse),
    "null": (lambda _: Answer("null"), InvalidResponse),
    "a list": (lambda _: Answer("[]"), InvalidResponse),
    "redirected elsewhere": (lambda _: Answer("", 302, {"Location": "http://localhost:1/"}), ProviderUnavailable),
    "away": (lambda _: Answer("", 503), ProviderUnavailable),
    "limited": (lambda _: Answer("Too Many Requests", 429), RateLimited),
    "limited for a while": (lambda _: Answer("", 429, {"Retry-After": "90"}), RateLimited),
}


@pytest.mark.parametrize("how", SPOILED)
def test_what_is_spoiled_on_the_way_is_no_price(played: Played, how: str) -> None:
    spoil, kind = SPOILED[how]
    played.server.answer = lambda request: spoil(played.good(request))
    found = played.ask()
    assert prices(found) == {}
    assert {type(each) for each in found.values()} == {kind}
    assert KEY not in "".join(map(str, found.values()))


def test_a_good_answer_is_one_also_when_packed(played: Played) -> None:
    assert prices(played.ask()) == QUOTED
    played.server.answer = lambda request: packed(played.good(request))
    assert prices(played.ask()) == QUOTED


@pytest.mark.parametrize("stumble", [Answer("", 500), Answer("", 502), Answer("", 429, {"Retry-After": "1"})])
def test_who_stumbles_once_is_asked_again(played: Played, stumble: Answer) -> None:
    stumbled: list[Request] = []

    def answer(request: Request) -> Answer:
        if stumbled:
            return played.good(request)
        stumbled.append(request)
        return stumble

    played.server.answer = answer
    assert prices(played.ask()) == QUOTED


def test_a_symbol_that_is_not_known_costs_no_other(played: Played) -> None:
    found = played.ask(["AAPL", "NOSUCH", "BRK.B"])
    assert prices(found) == QUOTED
    assert isinstance(found["NOSUCH"], ProviderError)


@pytest.mark.parametrize("played", [name for name in ACCOUNTS if name != "yahoo"], indirect=True)
def test_a_key_that_is_refused_is_shown_once(played: Played) -> None:
    # More than one call takes, at each of them.
    found = played.ask([f"S{number}" for number in range(300)], key="wrong-key", per_minute=None)
    assert {type(each) for each in found.values()} == {AuthenticationFailed}
    assert len(played.server.requests) == 1
    assert "wrong-key" not in "".join(map(str, found.values()))
