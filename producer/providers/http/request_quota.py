"""The requests that the quota of an account allows now."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Engine

from producer.providers.http.apis.base import Api, QuoteRequest, request_cost
from producer.providers.http.quota import Reservation, refund, reserve
from producer.providers.http.request_order import least_recently_requested, record_requested
from producer.providers.http.request_runner import Results
from shared.accounts import Account
from shared.database.engine import writing
from shared.errors import ProviderUnavailable, RateLimited, StorageUnavailable
from shared.setting_names import PREFIX


@dataclass(frozen=True)
class RequestQuota:
    """Reserves the credits of requests; `name` is the account's name in the state database `engine`."""

    engine: Engine
    api: Api
    account: Account
    name: str
    clock: Callable[[], datetime]

    def select_requests(self, symbols: Sequence[str], now: datetime) -> tuple[Sequence[QuoteRequest], Results]:
        """Return as many requests as the quota allows, with their credits reserved at `now`.

        Also returns a RateLimited for each symbol that has to wait; these symbols come first the next time.
        """
        with writing(self.engine) as connection:
            ordered = least_recently_requested(connection, self.name, symbols, now)
            requests, reservation = self._reserve_some(connection, ordered, now)
            selected = {symbol for request in requests for symbol in request.symbols}
            record_requested(connection, self.name, list(selected), now)
        deferred = [symbol for symbol in ordered if symbol not in selected]
        return requests, dict.fromkeys(deferred, self._error(reservation)) if deferred else {}

    def reserve_requests(self, requests: Sequence[QuoteRequest]) -> tuple[Sequence[QuoteRequest], Results]:
        """Reserve credits for all of the requests, or for the first of them.

        Returns these requests, and the error of each symbol of the others: RateLimited, or ProviderUnavailable if
        the state cannot be written for now.
        """
        try:
            self.reserve(sum(request_cost(self.api, request) for request in requests))
        except RateLimited:
            return self._reserve_one_by_one(requests)
        except StorageUnavailable as error:
            unavailable = ProviderUnavailable(f"{self.api.display_name} cannot be asked again: {error}")
            return (), dict.fromkeys((symbol for request in requests for symbol in request.symbols), unavailable)
        return requests, {}

    def reserve(self, amount: int) -> None:
        """Reserve `amount` credits. Raises RateLimited, and reserves nothing, if the quota has fewer."""
        with writing(self.engine) as connection:
            reservation = reserve(connection, self.name, self.account, amount, self.clock(), whole=True)
        if reservation.amount < amount:
            raise self._error(reservation)

    def refund(self, amount: int, at: datetime) -> None:
        """Return unused credits that were reserved at `at`."""
        with writing(self.engine) as connection:
            refund(connection, self.name, amount, at)

    def _reserve_some(
        self, connection: Connection, symbols: Sequence[str], now: datetime
    ) -> tuple[Sequence[QuoteRequest], Reservation]:
        requests = self.api.quote_requests(symbols, now)
        wanted = sum(request_cost(self.api, request) for request in requests)
        reservation = reserve(connection, self.name, self.account, wanted, now)
        if reservation.amount < wanted and self.api.credit_per_symbol:
            requests = self.api.quote_requests(symbols[: reservation.amount], now)
        elif reservation.amount < wanted:
            requests = requests[: reservation.amount]
        return requests, reservation

    def _reserve_one_by_one(self, requests: Sequence[QuoteRequest]) -> tuple[Sequence[QuoteRequest], Results]:
        for index, request in enumerate(requests):
            try:
                self.reserve(request_cost(self.api, request))
            except RateLimited as error:
                deferred: Results = {symbol: error for left in requests[index:] for symbol in left.symbols}
                return requests[:index], deferred
        return requests, {}

    def _error(self, reservation: Reservation) -> RateLimited:
        period = reservation.limit.rpartition(" ")[2]
        setting = f"{PREFIX}{self.api.name.upper()}_PER_{period.upper()}"
        quota = f"{self.api.display_name}'s quota of {reservation.limit} ({setting})"
        return RateLimited(f"{quota} is used up until {reservation.retry_at:%H:%M:%S} UTC", reservation.retry_at)
