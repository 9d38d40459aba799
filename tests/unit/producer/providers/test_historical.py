from producer.providers.base import Interval
from producer.providers.historical import historical_provider_names


def test_providers_with_past_prices_are_named() -> None:
    assert historical_provider_names(Interval.DAY) == ["simulated", "twelvedata", "yahoo", "alphavantage", "massive"]
    assert historical_provider_names(Interval.FIVE_MINUTES) == ["simulated", "twelvedata", "yahoo", "massive"]
