"""A provider over HTTP: its API asked within the plan's limits, and left alone while that is of no use."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path

from sqlalchemy import Connection, Engine

from producer.providers.base import Interval, Quote, QuoteResults
from producer.providers.http.apis.base import Api, HistoricalApi, QuoteRequest
from producer.providers.http.circuit_breaker import load_circuit_breaker, save_circuit_breaker
from producer.providers.http.client import DEFAULT_TIMEOUTS, Client, Timeouts
from producer.providers.http.quota import Reservation, refund, reserve
from producer.providers.http.request_order import least_recently_requested, record_requested
from producer.providers.http.request_runner import CONNECTIONS, RequestRunner, cost
from producer.providers.http.throttle import Throttle
from producer.state import open_state
from shared.accounts import Account
from shared.database import reading, writing
from shared.errors import NoPrices, RateLimited
from shared.settings import PREFIX
from shared.times import utc_now

# What most plans are behind the market, and a little more: until then, a bar that has ended may not be all there.
_BEHIND = timedelta(minutes=20)


@dataclass(frozen=True)
class HttpProvider:
    """Asks `api` on `account`; what is spent, and how it fared, is kept in `folder` for every process to see."""

    api: Api
    account: Account
    folder: Path
    patience: Timeouts = DEFAULT_TIMEOUTS
    clock: Callable[[], datetime] = utc_now

    @property
    def name(self) -> str:
        return self.api.name

    @property
    def account_name(self) -> str:
        """What the account is called in the state: another key or URL is another account, and no key shows."""
        digest = hashlib.blake2b(f"{self.account.url}\n{self.account.key}".encode(), digest_size=6)
        return f"{self.name}:{digest.hexdigest()}"

    @cached_property
    def _pace(self) -> Throttle:
        return Throttle(self.api.requests_per_second)

    def quotes(self, symbols: Sequence[str], at: datetime) -> QuoteResults:  # noqa: ARG002 - a market has its own time
        """See Provider; RateLimited for those that the plan has no room for now, who come first the next time.

        Raises ProviderError while the provider is left alone, and StorageError where its state cannot be kept.
        """
        with self._asking() as (engine, asking):
            with writing(engine) as connection:
                now = self.clock()
                calls, left = self._fit(connection, symbols, now)
            answers = asking.run(calls)
            if asking.unspent:
                with writing(engine) as connection:
                    refund(connection, self.account_name, asking.unspent, now)
            return {**left, **answers}

    def _fit(
        self, connection: Connection, symbols: Sequence[str], now: datetime
    ) -> tuple[Sequence[QuoteRequest], QuoteResults]:
        """The calls that the plan has room for now, paid for, and the error of the symbols that it has none for."""
        waiting = least_recently_requested(connection, self.account_name, symbols, now)
        calls = self.api.quote_requests(waiting, now)
        wanted = sum(cost(self.api, call) for call in calls)
        grant = reserve(connection, self.account_name, self.account, wanted, now)
        if grant.amount < wanted and self.api.credit_per_symbol:
            calls = self.api.quote_requests(waiting[: grant.amount], now)
        elif grant.amount < wanted:
            calls = calls[: grant.amount]
        asked = [symbol for call in calls for symbol in call.symbols]
        record_requested(connection, self.account_name, asked, now)
        left = [symbol for symbol in waiting if symbol not in set(asked)]
        return calls, dict.fromkeys(left, self._no_room(grant, "is left for a later run: ")) if left else {}

    def _no_room(self, grant: Reservation, then: str = "") -> RateLimited:
        setting = f"{PREFIX}{self.name.upper()}_PER_{grant.limit.rpartition(' ')[2].upper()}"
        used_up = f"the plan's {grant.limit} ({setting}) are used up until {grant.until:%H:%M:%S} UTC"
        return RateLimited(f"{then}{used_up}", grant.until)

    @contextmanager
    def _asking(self) -> Iterator[tuple[Engine, RequestRunner]]:
        """What asking needs, for one block, behind which it is kept how the provider fared.

        Raises ProviderError where the provider is to be left alone.
        """
        with open_state(self.folder) as engine:
            with reading(engine) as connection:
                circuit = load_circuit_breaker(connection, self.account_name)
            if error := circuit.read_error(self.clock()):
                raise error

            def pay(price: int) -> None:
                with writing(engine) as connection:
                    name, now = self.account_name, self.clock()
                    grant = reserve(connection, name, self.account, price, now, whole=True)
                if grant.amount < price:
                    raise self._no_room(grant)

            signature = self.api.authenticate(self.account)
            with Client(self.account.url, signature, CONNECTIONS, self.patience, pay) as client:
                asking = RequestRunner(self.api, client, circuit, pay, self._pace, self.account.key, self.clock)
                try:
                    yield engine, asking
                finally:
                    if asking.circuit != circuit:
                        with writing(engine) as connection:
                            save_circuit_breaker(connection, self.account_name, asking.circuit)


@dataclass(frozen=True)
class HistoricalHttpProvider(HttpProvider):
    """One whose API has past prices too."""

    api: HistoricalApi

    def max_range(self, interval: Interval) -> timedelta:
        return self.api.max_range(interval)

    def history(self, symbol: str, interval: Interval, since: datetime, until: datetime) -> Sequence[Quote]:
        """See HistoricalProvider; RateLimited where the plan has no room for the call now."""
        call = self.api.history_request(symbol, interval, since, until)
        with self._asking() as (_, asking):
            asking.pay(1)
            try:
                found = asking.get(call.path, call.query, 1, call.read)
            except NoPrices:
                found = []
        # A bar of a day is called by its beginning, one of five minutes by its end.
        ended = self.clock() - (interval.length if interval is Interval.DAY else _BEHIND)
        by_time = {each.as_of: each for each in found if since <= each.as_of < until and each.as_of <= ended}
        return [by_time[moment] for moment in sorted(by_time)]
