from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producer.providers.base import HistoricalProvider, Interval, Quote
from producer.providers.simulated import SimulatedProvider
from tests.event_factories import property_test

AT = datetime(2026, 11, 20, 10, 0, 3, 120000, tzinfo=UTC)

instants = st.datetimes(datetime(1990, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
tickers = st.text("ABCXYZ0123456789.-", min_size=1, max_size=8)


def quote(symbol: str, at: datetime, seed: str = "stockwire") -> Quote:
    answer = SimulatedProvider(seed).quotes([symbol], at)[symbol]
    assert isinstance(answer, Quote)
    return answer


@property_test
@given(tickers, instants)
def test_the_price_is_a_function_of_symbol_and_second(symbol: str, at: datetime) -> None:
    assert quote(symbol, at) == quote(symbol, at.replace(microsecond=999_999))
    assert quote(symbol, at).as_of == at.replace(microsecond=0)


@property_test
@given(tickers, instants)
def test_every_price_is_one_an_exchange_could_have_made(symbol: str, at: datetime) -> None:
    made = quote(symbol, at)
    assert Decimal(5) < made.price < Decimal(2000)
    assert made.price == round(made.price, 2)
    assert made.currency == "USD"
    assert made.volume is not None
    assert 0 <= made.volume < 60_000_000


@property_test
@given(tickers, instants)
def test_a_second_moves_a_price_a_little(symbol: str, at: datetime) -> None:
    now, then = quote(symbol, at).price, quote(symbol, at + timedelta(seconds=1)).price
    assert abs(now - then) <= now * Decimal("0.0005") + Decimal("0.02")


def test_the_seed_and_the_symbol_make_the_walk() -> None:
    assert len({quote(symbol, AT, seed).price for symbol in ("AAPL", "MSFT") for seed in ("1", "2")}) == 4


def test_a_price_stays_the_same_from_release_to_release() -> None:
    made = quote("AAPL", AT)
    assert (str(made.price), made.volume) == ("289.74", 26551111)


@pytest.mark.parametrize(
    ("symbol", "low", "high", "currency"),
    [
        ("AAPL", 150, 450, "USD"),
        ("BRK.B", 380, 600, "USD"),
        ("BRK-B", 380, 600, "USD"),
        ("BRK.A", 550_000, 950_000, "USD"),
        ("SPY", 500, 900, "USD"),
        ("BTC-USD", 40_000, 240_000, "USD"),
        ("EURUSD=X", "0.9", "1.5", "USD"),
        ("USDJPY=X", 110, 220, "JPY"),
    ],
)
def test_a_well_known_symbol_costs_about_what_people_expect(
    symbol: str, low: Decimal, high: Decimal, currency: str
) -> None:
    for year in range(2020, 2035):
        made = quote(symbol, AT.replace(year=year))
        assert Decimal(low) < made.price < Decimal(high)
        assert made.currency == currency


def test_an_exchange_rate_has_more_than_two_decimals() -> None:
    assert {quote("EURUSD=X", AT + timedelta(minutes=minute)).price.as_tuple().exponent for minute in range(9)} == {-5}


def test_prices_move_within_a_minute() -> None:
    assert len({quote("AAPL", AT + timedelta(seconds=second)).price for second in range(60)}) > 5


def test_volume_grows_through_the_day_and_the_previous_close_is_the_price_of_its_midnight() -> None:
    midnight = AT.replace(hour=0, minute=0, second=0, microsecond=0)
    hours = [quote("AAPL", midnight + timedelta(hours=hour)) for hour in range(24)]
    volumes = [each.volume or 0 for each in hours]
    assert volumes == sorted(volumes)
    assert volumes[0] == 0
    assert {each.previous_close for each in hours} == {hours[0].price}


def test_a_day_moves_as_much_as_the_volatility_says() -> None:
    prices = [float(quote("AAPL", AT + timedelta(days=day)).price) for day in range(200)]
    moves = [abs(after / before - 1) for before, after in pairwise(prices)]
    assert 0.005 < sum(moves) / len(moves) < 0.02


def history(symbol: str, interval: Interval, since: datetime, until: datetime, now: datetime = AT) -> list[Quote]:
    return list(SimulatedProvider(clock=lambda: now).history(symbol, interval, since, until))


def close_of(bar: Quote, interval: Interval) -> datetime:
    return bar.as_of + interval.length if interval is Interval.DAY else bar.as_of


def test_it_is_a_provider_with_a_history() -> None:
    assert isinstance(SimulatedProvider(), HistoricalProvider)


@property_test
@given(tickers, instants, st.sampled_from(Interval))
def test_a_past_bar_closes_at_the_price_of_its_live_quote(symbol: str, at: datetime, interval: Interval) -> None:
    for bar in history(symbol, interval, at - 3 * interval.length, at, now=at):
        closed = close_of(bar, interval)
        assert bar.price == quote(symbol, closed).price
        assert bar.open == quote(symbol, closed - interval.length).price
        assert bar.currency == quote(symbol, closed).currency


@property_test
@given(tickers, instants, st.sampled_from(Interval))
def test_a_bar_opens_and_closes_between_its_low_and_high(symbol: str, at: datetime, interval: Interval) -> None:
    bars = history(symbol, interval, at - 3 * interval.length, at, now=at)
    assert len(bars) in (2, 3)
    for bar in bars:
        assert bar.low is not None
        assert bar.open is not None
        assert bar.high is not None
        assert 0 < bar.low <= min(bar.open, bar.price) <= max(bar.open, bar.price) <= bar.high


def test_a_bar_of_a_day_sums_up_its_bars_of_five_minutes() -> None:
    midnight = AT.replace(hour=0, minute=0, second=0, microsecond=0)
    [day] = history("AAPL", Interval.DAY, midnight - timedelta(days=1), midnight)
    assert day.as_of == midnight - timedelta(days=1)
    parts = history("AAPL", Interval.FIVE_MINUTES, day.as_of + timedelta(seconds=1), midnight + timedelta(seconds=1))
    assert len(parts) == 288
    assert day.high == max(each.high or 0 for each in parts)
    assert day.low == min(each.low or 0 for each in parts)
    assert day.volume == sum(each.volume or 0 for each in parts)
    assert (day.open, day.price) == (parts[0].open, parts[-1].price)
    assert all(before.price == after.open for before, after in pairwise(parts))
    assert day.high > max(day.open or 0, day.price)


def test_every_requested_range_returns_the_same_bars() -> None:
    week, month = (history("AAPL", Interval.DAY, AT - timedelta(days=days), AT) for days in (7, 30))
    assert month[-len(week) :] == week
    assert [each.as_of for each in month] == [each.as_of.replace(hour=0, minute=0, second=0) for each in month]
    assert all(after.as_of - before.as_of == timedelta(days=1) for before, after in pairwise(month))


@pytest.mark.parametrize("interval", list(Interval))
def test_a_range_has_its_beginning_and_not_its_end(interval: Interval) -> None:
    since = datetime(2024, 1, 1, tzinfo=UTC)
    bars = history("AAPL", interval, since, since + 2 * interval.length)
    assert [each.as_of for each in bars] == [since, since + interval.length]
    second = timedelta(seconds=1)
    bars = history("AAPL", interval, since + second, since + 2 * interval.length + second)
    assert [each.as_of for each in bars] == [since + interval.length, since + 2 * interval.length]
    assert history("AAPL", interval, since + second, since + 2 * second) == []


@pytest.mark.parametrize("interval", list(Interval))
def test_a_bar_that_has_not_ended_is_left_out(interval: Interval) -> None:
    end = datetime(2024, 1, 2, tzinfo=UTC)
    since, until = end - timedelta(days=1), end + timedelta(days=2)
    ended, running = (history("AAPL", interval, since, until, now=now) for now in (end, end - timedelta(seconds=1)))
    assert close_of(ended[-1], interval) == end
    assert running == ended[:-1]
