"""Finnhub: one symbol per request, in real time for shares listed in the US. The free plan has no past prices.

Source: https://finnhub.io/docs/api/quote and https://finnhub.io/docs/api/authentication
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import ClassVar

from producer.providers.base import Quote, QuoteResults
from producer.providers.http.apis.base import Json, QuoteRequest, RequestAuth
from producer.providers.http.parsing import read_object, read_quote
from producer.providers.http.provider_errors import find_message, rate_limited
from producer.providers.http.values import is_missing, read_optional_price, read_price, read_unix_time
from shared.accounts import Account
from shared.errors import AuthenticationFailed, InvalidResponse, ProviderError, UnknownSymbol


@dataclass(frozen=True)
class Finnhub:
    name: ClassVar[str] = "finnhub"
    display_name: ClassVar[str] = "Finnhub"
    batch_size: ClassVar[int] = 1
    credit_per_symbol: ClassVar[bool] = False
    # The limit of every plan, in addition to the plan's limit per minute.
    requests_per_second: ClassVar[float | None] = 30

    def authenticate(self, account: Account) -> RequestAuth:
        return RequestAuth(headers={"X-Finnhub-Token": account.key})

    def quote_requests(self, symbols: Sequence[str], at: datetime) -> Sequence[QuoteRequest]:  # noqa: ARG002
        return [QuoteRequest("/quote", {"symbol": each}, partial(_read_quotes, each), [each]) for each in symbols]

    def read_error(self, status: int, answer: Json, now: datetime) -> ProviderError | None:
        """Read the message in the field `error`.

        "You don't have access to this resource." means a market outside the plan. It came with status 401 as well as
        403, for single symbols, with a valid key.
        """
        message = find_message(answer)
        if status == 403 or (status in (200, 401) and "access to this resource" in message):
            return UnknownSymbol(message or "it is not in the plan")
        if status != 200 or not isinstance(answer, dict) or "error" not in answer:
            return None
        if "limit" in message.lower():
            return rate_limited(message, now)
        if "api key" in message.lower():
            return AuthenticationFailed(message)
        return InvalidResponse(message or "an error without a message")


def _read_quotes(symbol: str, answer: Json) -> QuoteResults:
    return {symbol: read_quote(_read_quote, answer)}


def _read_quote(answer: Json) -> Quote:
    """Read a quote: numbers under one-letter names, and `t` in seconds since 1970; all zero for an unknown symbol."""
    quote = read_object(answer)
    if quote.get("c") is not None and is_missing(quote["c"]) and is_missing(quote.get("t")):
        raise UnknownSymbol("all fields of its quote are zero")
    return Quote(
        price=read_price(quote.get("c")),
        as_of=read_unix_time(quote.get("t")),
        open=read_optional_price(quote.get("o")),
        high=read_optional_price(quote.get("h")),
        low=read_optional_price(quote.get("l")),
        previous_close=read_optional_price(quote.get("pc")),
    )
