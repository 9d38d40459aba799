"""From quotes to events, and from tries to an outcome, without a broker."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from producer.market_service import SyncReport, collect_events, describe_errors
from producer.providers.base import Quote
from producer.retry import MAX_DELAY, is_in_time, retry_delay
from producer.tasks import add_report
from shared.errors import AuthenticationFailed, ProviderError
from shared.events import stock_data_id
from shared.times import utc_now
from tests.factories import NOW, stock_data

AT = NOW
QUOTE = Quote(Decimal("187.44"), AT - timedelta(seconds=5), "USD", volume=1000)


@dataclass
class FakeProvider:
    """QuoteResults as told, and keeps what it was asked for."""

    name: str
    answers: Mapping[str, Quote | ProviderError] | ProviderError
    asked: list[Sequence[str]] = field(default_factory=list)

    def quotes(self, symbols: Sequence[str], at: datetime) -> Mapping[str, Quote | ProviderError]:
        assert at == AT
        self.asked.append(tuple(symbols))
        if isinstance(self.answers, ProviderError):
            raise self.answers
        return self.answers


def collect(
    *providers: FakeProvider, symbols: Sequence[str] = ("AAPL", "MSFT")
) -> tuple[dict[str, object], dict[str, str]]:
    events, errors, _ = collect_events(providers, symbols, AT, lambda: NOW)
    return dict(events), {symbol: describe_errors(found) for symbol, found in errors.items()}


def test_a_quote_becomes_an_event_whose_id_says_which_price_it_is() -> None:
    events, failed = collect(FakeProvider("fake", {"AAPL": QUOTE}), symbols=["AAPL"])
    id_ = stock_data_id("fake", "AAPL", QUOTE.as_of)
    wanted = stock_data("AAPL", "187.44", QUOTE.as_of, "fake", id=id_, observed_at=NOW, volume=1000)
    assert (events, failed) == ({"AAPL": wanted}, {})


def test_one_symbol_s_failure_costs_no_other() -> None:
    events, failed = collect(FakeProvider("fake", {"AAPL": QUOTE, "MSFT": ProviderError("no such symbol")}))
    assert set(events) == {"AAPL"}
    assert failed == {"MSFT": "fake: no such symbol"}


def test_a_symbol_that_is_passed_over_has_failed() -> None:
    assert collect(FakeProvider("fake", {"AAPL": QUOTE}))[1] == {"MSFT": "fake: gave no answer"}


@pytest.mark.parametrize(
    ("quote", "why"),
    [
        (replace(QUOTE, price=Decimal(0)), "must be more than zero"),
        (replace(QUOTE, price=Decimal("NaN")), "not a decimal number"),
        (replace(QUOTE, price=Decimal(-1)), "negative"),
        (replace(QUOTE, price=Decimal("1.234567890123456")), "more than 15 significant digits"),
        (replace(QUOTE, as_of=NOW + timedelta(hours=1)), "in the future"),
        (replace(QUOTE, currency="dollars"), "currency"),
    ],
)
def test_a_quote_that_consumers_would_refuse_is_a_failure(quote: Quote, why: str) -> None:
    events, failed = collect(FakeProvider("fake", {"AAPL": quote}), symbols=["AAPL"])
    assert not events
    assert why in failed["AAPL"]


def test_the_next_provider_is_asked_for_what_the_first_could_not_deliver() -> None:
    first = FakeProvider("first", {"AAPL": QUOTE, "MSFT": ProviderError("throttled")})
    second = FakeProvider("second", {"MSFT": QUOTE})
    events, failed = collect(first, second)
    assert ({symbol: event.provider for symbol, event in events.items()}, failed) == (  # type: ignore[attr-defined]
        {"AAPL": "first", "MSFT": "second"},
        {},
    )
    assert second.asked == [("MSFT",)]


def test_nobody_is_asked_for_what_is_there() -> None:
    second = FakeProvider("second", {})
    collect(FakeProvider("first", {"AAPL": QUOTE, "MSFT": QUOTE}), second)
    assert second.asked == []


def test_a_symbol_that_all_fail_has_all_their_reasons() -> None:
    down = FakeProvider("first", ProviderError("is down"))
    assert collect(down, FakeProvider("second", {"MSFT": QUOTE}))[1] == {
        "AAPL": "first: is down; second: gave no answer"
    }


BEGUN = {"at": "2024-11-20T10:00:03Z", "provider": "", "published": 0, "failed": {}}


def test_the_outcome_counts_every_try_and_forgets_what_was_mended() -> None:
    first = add_report(BEGUN, SyncReport({"AAPL": stock_data()}, {"MSFT": "nobody listens"}, ["MSFT"]))
    assert first == {**BEGUN, "provider": "simulated", "published": 1, "failed": {"MSFT": "nobody listens"}}
    second = add_report(first, SyncReport({"MSFT": stock_data("MSFT", provider="other")}, {}))
    assert second == {**BEGUN, "provider": "simulated,other", "published": 2, "failed": {}}


def test_a_key_that_is_refused_is_told_of_while_others_stand_in() -> None:
    refusing = FakeProvider("first", AuthenticationFailed("refuses the key"))
    _, failed, refused = collect_events([refusing, FakeProvider("second", {"AAPL": QUOTE})], ["AAPL"], AT, lambda: NOW)
    assert (failed, refused) == ({}, {"first": "refuses the key"})
    report = SyncReport({"AAPL": stock_data()}, {}, refused=refused)
    again = add_report(add_report(BEGUN, report), SyncReport({"MSFT": stock_data("MSFT")}, {}))
    assert again["refused"] == {"first": "refuses the key"}


def test_retry_delays_double_up_to_a_cap_and_are_jittered() -> None:
    for retries, bound in enumerate([2, 4, 8, 16, 32, 60, 60]):
        delays = {retry_delay(None, retries) for _ in range(50)}
        assert bound / 2 <= min(delays) <= max(delays) <= bound <= MAX_DELAY
        assert len(delays) > 5


def test_no_retry_comes_after_the_next_sync() -> None:
    end = utc_now() + timedelta(seconds=10)
    assert is_in_time(5, end)
    assert not is_in_time(11, end)
    assert not is_in_time(5, datetime(2024, 1, 1, tzinfo=UTC))
