"""Finnhub: one symbol a call, in real time for shares listed in the US. Its free plan has no past prices.

Source: https://finnhub.io/docs/api/quote and https://finnhub.io/docs/api/authentication
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import ClassVar

from producer.providers.base import Quote, QuoteResults
from producer.providers.http.apis.base import Json, QuoteRequest, RequestAuth
from producer.providers.http.parsing import read_epoch, read_object, read_optional_price, read_price, read_quote
from producer.providers.http.responses import authentication_failed, find_message, rate_limited
from shared.accounts import Account
from shared.errors import InvalidResponse, ProviderError, UnknownSymbol


@dataclass(frozen=True)
class Finnhub:
    name: ClassVar[str] = "finnhub"
    batch_size: ClassVar[int] = 1
    credit_per_symbol: ClassVar[bool] = False
    # Whatever the plan says of a minute.
    requests_per_second: ClassVar[float | None] = 30

    def authenticate(self, account: Account) -> RequestAuth:
        return RequestAuth(headers={"X-Finnhub-Token": account.key})

    def quote_requests(self, symbols: Sequence[str], at: datetime) -> Sequence[QuoteRequest]:  # noqa: ARG002
        return [QuoteRequest("/quote", {"symbol": each}, [each], partial(_read_quotes, each)) for each in symbols]

    def read_error(self, status: int, answer: Json, now: datetime) -> ProviderError | None:
        """`error` has its words, `You don't have access to this resource.` for a market that is not in the plan.

        Which has come with 401 as well as 403, symbol by symbol, with a key that is good.
        """
        words = find_message(answer)
        if status == 403 or (status in (200, 401) and "access to this resource" in words):
            return UnknownSymbol(words or "is not in the plan")
        if status != 200 or not isinstance(answer, dict) or "error" not in answer:
            return None
        if "limit" in words.lower():
            return rate_limited(words, now)
        return (
            authentication_failed(self.name, words)
            if "api key" in words.lower()
            else InvalidResponse(words or "answers with an error")
        )


def _read_quotes(symbol: str, answer: Json) -> QuoteResults:
    return {symbol: read_quote(_read_quote, answer)}


def _read_quote(answer: Json) -> Quote:
    """A quote has numbers under one-letter names, and `t` in seconds since 1970; a symbol that is unknown, zeros."""
    quote = read_object(answer)
    if quote.get("c") == 0 and not quote.get("t"):
        raise UnknownSymbol("is not known: all of its quote is zero")
    return Quote(
        price=read_price(quote.get("c")),
        as_of=read_epoch(quote.get("t")),
        open=read_optional_price(quote.get("o")),
        high=read_optional_price(quote.get("h")),
        low=read_optional_price(quote.get("l")),
        previous_close=read_optional_price(quote.get("pc")),
    )
