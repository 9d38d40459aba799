from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from producer.providers.base import Quote
from producer.providers.simulated import SimulatedProvider
from tests.factories import property_test

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


def test_a_price_known_by_heart_stays_what_it_was() -> None:
    made = quote("AAPL", AT)
    assert (str(made.price), made.volume) == ("198.99", 16550278)


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
