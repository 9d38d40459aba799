"""A provider over HTTP: its API, asked within the plan's quota and under a circuit breaker."""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cached_property, partial
from pathlib import Path

from sqlalchemy import Engine

from producer.providers.base import Interval, InvalidBar, Quote, QuoteResults
from producer.providers.http.apis.base import Api, HistoricalApi
from producer.providers.http.circuit_breaker import CircuitBreaker, load_circuit_breaker, save_circuit_breaker
from producer.providers.http.circuit_guard import CircuitGuard
from producer.providers.http.client import DEFAULT_TIMEOUTS, MAX_BODY, MAX_HISTORY_BODY, Client, Timeouts
from producer.providers.http.provider_errors import complete
from producer.providers.http.redaction import make_redactor
from producer.providers.http.request_quota import RequestQuota
from producer.providers.http.request_runner import MAX_CONNECTIONS, RequestRunner
from producer.providers.http.request_sender import RequestSender
from producer.providers.http.throttle import Throttle
from producer.state import open_state
from shared.accounts import Account
from shared.database.engine import reading, writing
from shared.errors import NoPrices, StorageUnavailable
from shared.setting_names import PREFIX
from shared.splits import Split
from shared.times import format_instant, utc_now

log = logging.getLogger(__name__)

# Most plans are up to 15 minutes behind the market. Until then, a five-minute bar may be incomplete.
_MAX_DELAY = timedelta(minutes=20)


# Midnight UTC of today's date in the easternmost time zone is up to 14 hours ahead.
_MAX_AHEAD = timedelta(days=1)


@dataclass(frozen=True)
class HttpProvider:
    """Asks `api` with `account`; all processes share the quota's usage and the circuit breaker in `folder`."""

    api: Api
    account: Account
    folder: Path
    timeouts: Timeouts = DEFAULT_TIMEOUTS
    clock: Callable[[], datetime] = utc_now

    @property
    def name(self) -> str:
        return self.api.name

    @property
    def account_name(self) -> str:
        """The account's name in the state database."""
        return self.account.fingerprint(self.name)

    @cached_property
    def _throttle(self) -> Throttle:
        return Throttle(self.api.requests_per_second)

    def quotes(self, symbols: Sequence[str], at: datetime) -> QuoteResults:  # noqa: ARG002 - a market has its own time
        """Return a result per symbol. See Provider.

        A symbol that exceeds the quota gets a RateLimited, and comes first the next time. Raises ProviderError while
        the circuit is open, and StorageError if the state cannot be read or written.
        """
        with self._open(self.timeouts) as (quota, sender):
            now = self.clock()
            requests, deferred = quota.select_requests(symbols, now)
            results = RequestRunner(self.api, sender, quota.reserve_requests).run(requests)
            self._refund(sender.unused_credits, quota, now)
            results.update(deferred)
            return results

    @contextmanager
    def _open(self, timeouts: Timeouts, max_body: int = MAX_BODY) -> Iterator[tuple[RequestQuota, RequestSender]]:
        """Open the state and a client for one block, and save the circuit breaker after it.

        Raises ProviderError if the circuit is open.
        """
        with open_state(self.folder) as engine:
            with reading(engine) as connection:
                circuit = load_circuit_breaker(connection, self.account_name)
            if error := circuit.open_error(self.clock()):
                raise error
            guard = CircuitGuard(circuit, self.clock)
            quota = RequestQuota(engine, self.api, self.account, self.account_name, self.clock)
            with self._make_client(timeouts, max_body) as client:
                try:
                    yield quota, self._make_sender(client, guard, quota)
                finally:
                    if guard.circuit != circuit:
                        self._save(guard.circuit, engine)

    def _refund(self, credits_: int, quota: RequestQuota, reserved_at: datetime) -> None:
        try:
            if credits_:
                quota.refund(credits_, reserved_at)
        except StorageUnavailable as error:
            log.warning("%d unused credits of %s are not returned: %s", credits_, self.api.display_name, error)

    def _save(self, circuit: CircuitBreaker, engine: Engine) -> None:
        try:
            with writing(engine) as connection:
                save_circuit_breaker(connection, self.account_name, circuit)
        except StorageUnavailable as error:
            # The prices of this block are worth more than the count of its failures.
            log.warning("the state of %s is not saved: %s", self.api.display_name, error)

    def _make_client(self, timeouts: Timeouts, max_body: int) -> Client:
        return Client(self.account.url, self.api.authenticate(self.account), MAX_CONNECTIONS, timeouts, max_body)

    def _make_sender(self, client: Client, guard: CircuitGuard, quota: RequestQuota) -> RequestSender:
        key_setting, redact = f"{PREFIX}{self.name.upper()}_KEY", make_redactor(self.account.key)
        to_sentence = partial(complete, api=self.api, key_setting=key_setting, redact=redact)
        return RequestSender(self.api, client, guard, self._throttle, quota.reserve, to_sentence, self.clock)


@dataclass(frozen=True)
class HistoricalHttpProvider(HttpProvider):
    """A provider over HTTP that also has past prices."""

    api: HistoricalApi

    def max_range(self, interval: Interval) -> timedelta:
        return self.api.max_range(interval)

    def history(
        self, symbol: str, interval: Interval, since: datetime, until: datetime
    ) -> Sequence[Quote | InvalidBar | Split]:
        """Return past prices. See HistoricalProvider. Raises RateLimited if the quota is used up."""
        request = self.api.history_request(symbol, interval, since, self._asked_until(interval, since, until))
        timeouts = replace(self.timeouts, call=self.timeouts.history)
        with self._open(timeouts, MAX_HISTORY_BODY) as (quota, sender):
            quota.reserve(1)
            try:
                answered = sender.send(request, 1)
            except NoPrices:
                answered = []
        splits = [each for each in answered if isinstance(each, Split)]
        found = [each for each in answered if not isinstance(each, Split)]
        now = self.clock()
        # `as_of` is the beginning of a daily bar, and the end of a five-minute bar.
        ended = now - (interval.length if interval is Interval.DAY else _MAX_DELAY)
        found = [_refuse_future(each, now + _MAX_AHEAD) for each in found]
        wanted = [each for each in found if each.as_of is None or since <= each.as_of < until]
        by_time = {each.as_of: each for each in wanted if isinstance(each, Quote) and each.as_of <= ended}
        invalid = [each for each in wanted if isinstance(each, InvalidBar)]
        return [*splits, *(by_time[moment] for moment in sorted(by_time)), *invalid]

    def _asked_until(self, interval: Interval, since: datetime, until: datetime) -> datetime:
        """Return the end of the range to ask for: now, if a provider's later splits change its prices.

        No provider has bars over a longer time than its longest range.
        """
        if not self.api.asks_up_to_now:
            return until
        reach = since + self.api.max_range(interval) + _MAX_AHEAD
        return max(until, min(self.clock(), reach))


def _refuse_future(bar: Quote | InvalidBar, latest: datetime) -> Quote | InvalidBar:
    """Return the bar, without its time if that time is later than `latest`."""
    if bar.as_of is None or bar.as_of <= latest:
        return bar
    return InvalidBar(None, f"the time {format_instant(bar.as_of)} is in the future")
