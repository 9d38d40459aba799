"""The bench `sync`: from a watch list to confirmed events, with a provider that takes 100 ms per call.

The provider answers one symbol per call. Both sides publish in the same way, and differ in how they send requests.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import requests

from benchmarks.environment import BenchEnvironment, open_environment
from benchmarks.fake_provider_server import DELAY, fake_provider_server
from benchmarks.report import Rates
from benchmarks.rounds import Figures, run_rounds
from benchmarks.side_process import Job, Side, Stopwatch, result, started
from producer.market_service import fetch_and_publish
from producer.providers.base import Provider, QuoteResults
from producer.providers.http.parsing import parse_json
from producer.providers.http.provider import HttpProvider
from producer.providers.registry import APIS
from shared.accounts import Account
from shared.errors import ProviderError
from shared.messaging.publisher import Publisher

AT = datetime(2024, 11, 20, 21, tzinfo=UTC)
PROVIDER = "alphavantage"
# The largest plan with one symbol per call.
PER_MINUTE = 599


def measure() -> Rates:
    with open_environment() as environment, fake_provider_server() as url:
        figures = run_rounds("sync", SIDES, lambda name: _sync(environment, url, name))
    rates = {name: rate for name, (rate,) in figures.items()}
    return Rates("sync", SIDES, rates, goals={"one by one": 20})


def _sync(environment: BenchEnvironment, url: str, name: str) -> Figures:
    side = SIDES[name]
    with environment.job(side.events) as job, started(side.work, replace(job, provider_url=url)) as process:
        seconds: float = result(process, name)
        environment.expect(job.queue, side.events)
    return (side.events / seconds,)


def ours(job: Job) -> float:
    account = Account(job.provider_url, key="bench", per_minute=PER_MINUTE)
    return _timed(job, HttpProvider(APIS[PROVIDER](account), account, Path(job.database).with_suffix("")))


def one_by_one(job: Job) -> float:
    return _timed(job, _Loop(job.provider_url))


class _Loop:
    """Sends one request after the other in one session."""

    name = PROVIDER

    def __init__(self, url: str) -> None:
        self._account = Account(url, key="bench", per_minute=PER_MINUTE)

    def quotes(self, symbols: Sequence[str], at: datetime) -> QuoteResults:
        answers: QuoteResults = {}
        with requests.Session() as session:
            for call in APIS[PROVIDER](self._account).quote_requests(symbols, at):
                response = session.get(f"{self._account.url}{call.path}", params=call.query, timeout=10)
                answers = {**answers, **call.read(parse_json(response.text))}
        return answers


def _timed(job: Job, provider: Provider) -> float:
    symbols = [f"S{number}" for number in range(job.events)]
    watch = Stopwatch()
    with Publisher(job.address, "bench") as publisher:
        publisher.publish(())  # connects
        watch.start()
        report = fetch_and_publish([provider], publisher, symbols, AT)
        watch.stop()
    for symbol, reason in report.failed.items():
        raise ProviderError(f"{symbol}: {reason}")
    return watch.seconds


SIDES = {
    "ours": Side(f"a sync of 500 symbols, {DELAY * 1000:.0f} ms per call", 500, ours),
    "one by one": Side("one request after the other, published the same way", 50, one_by_one),
}
