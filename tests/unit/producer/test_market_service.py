"""Quotes become events, and attempts become an outcome, without a broker."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from producer.market_service import SyncReport, collect_events, describe_errors, find_rejected_keys
from producer.providers.base import Quote
from producer.retry import MAX_DELAY, is_in_time, retry_delay
from producer.tasks import add_report
from shared.errors import AuthenticationFailed, ProviderError
from shared.events import stock_data_id
from shared.times import utc_now
from tests.event_factories import NOW, stock_data

AT = NOW
QUOTE = Quote(Decimal("187.44"), AT - timedelta(seconds=5), "USD", volume=1000)


@dataclass
class FakeProvider:
    """Gives the configured results, and records the symbols of each call."""

    name: str
    results: Mapping[str, Quote | ProviderError] | ProviderError
    requested: list[Sequence[str]] = field(default_factory=list)

    def quotes(self, symbols: Sequence[str], at: datetime) -> Mapping[str, Quote | ProviderError]:
        assert at == AT
        self.requested.append(tuple(symbols))
        if isinstance(self.results, ProviderError):
            raise self.results
        return self.results


def collect(
    *providers: FakeProvider, symbols: Sequence[str] = ("AAPL", "MSFT")
) -> tuple[dict[str, object], dict[str, str]]:
    events, errors, _ = collect_events(providers, symbols, AT, lambda: NOW)
    failed = {symbol: describe_errors(found) for symbol, found in errors.items() if symbol not in events}
    return dict(events), failed


def test_a_quote_becomes_an_event_with_a_deterministic_id() -> None:
    events, failed = collect(FakeProvider("fake", {"AAPL": QUOTE}), symbols=["AAPL"])
    id_ = stock_data_id("fake", "AAPL", QUOTE.as_of)
    wanted = stock_data("AAPL", "187.44", QUOTE.as_of, "fake", id=id_, observed_at=NOW, volume=1000)
    assert (events, failed) == ({"AAPL": wanted}, {})


def test_a_failed_symbol_does_not_affect_the_others() -> None:
    events, failed = collect(FakeProvider("fake", {"AAPL": QUOTE, "MSFT": ProviderError("no such symbol")}))
    assert set(events) == {"AAPL"}
    assert failed == {"MSFT": "no such symbol"}


def test_a_symbol_without_a_result_has_failed() -> None:
    assert collect(FakeProvider("fake", {"AAPL": QUOTE}))[1] == {"MSFT": "fake gave no answer"}


@pytest.mark.parametrize(
    ("quote", "reason"),
    [
        (replace(QUOTE, price=Decimal(0)), "must be more than zero"),
        (replace(QUOTE, price=Decimal("NaN")), "not a decimal number"),
        (replace(QUOTE, price=Decimal(-1)), "negative"),
        (replace(QUOTE, price=Decimal("1.234567890123456")), "more than 15 significant digits"),
        (replace(QUOTE, as_of=NOW + timedelta(hours=1)), "in the future"),
        (replace(QUOTE, currency="dollars"), "currency"),
    ],
)
def test_a_quote_that_consumers_would_reject_is_a_failure(quote: Quote, reason: str) -> None:
    events, failed = collect(FakeProvider("fake", {"AAPL": quote}), symbols=["AAPL"])
    assert not events
    assert reason in failed["AAPL"]


def test_remarks_come_from_the_provider_and_from_the_age_of_the_price() -> None:
    halted = replace(QUOTE, as_of=datetime(2020, 3, 6, 21, tzinfo=UTC), remarks=("its currency is odd",))
    provider = FakeProvider("fake", {"AAPL": QUOTE, "DEADX": halted})
    events, _, remarks = collect_events([provider], ["AAPL", "DEADX"], AT, lambda: NOW)
    assert events["DEADX"].price == QUOTE.price
    old = "the price is years old, of 2020-03-06T21:00:00Z: the symbol may be halted or delisted"
    assert remarks == {"DEADX": ["its currency is odd", old]}


def test_the_next_provider_is_asked_for_the_symbols_that_the_first_failed() -> None:
    first = FakeProvider("first", {"AAPL": QUOTE, "MSFT": ProviderError("throttled")})
    second = FakeProvider("second", {"MSFT": QUOTE})
    events, failed = collect(first, second)
    assert ({symbol: event.provider for symbol, event in events.items()}, failed) == (  # type: ignore[attr-defined]
        {"AAPL": "first", "MSFT": "second"},
        {},
    )
    assert second.requested == [("MSFT",)]


def test_no_provider_is_asked_for_a_symbol_that_has_a_price() -> None:
    second = FakeProvider("second", {})
    collect(FakeProvider("first", {"AAPL": QUOTE, "MSFT": QUOTE}), second)
    assert second.requested == []


def test_a_symbol_that_all_providers_fail_has_all_reasons() -> None:
    down = FakeProvider("first", ProviderError("first is down"))
    assert collect(down, FakeProvider("second", {"MSFT": QUOTE}))[1] == {"AAPL": "first is down; second gave no answer"}


EMPTY_OUTCOME = {"at": "2024-11-20T10:00:03Z", "provider": "", "published": 0, "failed": {}}


def test_the_outcome_counts_every_attempt_and_forgets_failures_that_a_retry_fixed() -> None:
    first = add_report(EMPTY_OUTCOME, SyncReport({"AAPL": stock_data()}, {"MSFT": "nobody listens"}, ["MSFT"]))
    assert first == {**EMPTY_OUTCOME, "provider": "simulated", "published": 1, "failed": {"MSFT": "nobody listens"}}
    second = add_report(first, SyncReport({"MSFT": stock_data("MSFT", provider="other")}, {}))
    assert second == {**EMPTY_OUTCOME, "provider": "simulated,other", "published": 2, "failed": {}}


def test_a_rejected_key_is_reported_while_other_providers_deliver() -> None:
    rejecting = FakeProvider("first", AuthenticationFailed("rejects the key"))
    providers = [rejecting, FakeProvider("second", {"AAPL": QUOTE})]
    events, errors, _ = collect_events(providers, ["AAPL"], AT, lambda: NOW)
    assert list(events) == ["AAPL"]
    rejected_keys = find_rejected_keys(errors)
    assert rejected_keys == {"first": "rejects the key"}
    report = SyncReport({"AAPL": stock_data()}, {}, rejected_keys=rejected_keys)
    again = add_report(add_report(EMPTY_OUTCOME, report), SyncReport({"MSFT": stock_data("MSFT")}, {}))
    assert again["rejected_keys"] == {"first": "rejects the key"}


def test_the_outcome_has_the_remarks_that_are_new() -> None:
    first = add_report(EMPTY_OUTCOME, SyncReport({"AAPL": stock_data()}, {}), ["AAPL: the price is years old"])
    assert first["remarks"] == ["AAPL: the price is years old"]
    again = add_report(first, SyncReport({"MSFT": stock_data("MSFT")}, {}), ["MSFT: the currency is odd"])
    assert again["remarks"] == [*first["remarks"], "MSFT: the currency is odd"]
    assert "remarks" not in add_report(EMPTY_OUTCOME, SyncReport({"AAPL": stock_data()}, {}))


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
