"""Providers that have past prices at an interval."""

from collections.abc import Sequence

from producer.providers.base import HistoricalProvider, Interval, Provider
from producer.providers.http.apis.base import HistoricalApi
from producer.providers.registry import APIS
from producer.providers.simulated import SimulatedProvider
from shared.accounts import ACCOUNTS
from shared.errors import ProviderError


def historical_providers(providers: Sequence[Provider], interval: Interval) -> list[HistoricalProvider]:
    """Return the given providers that have past prices at this interval, in the same order."""
    return [each for each in providers if isinstance(each, HistoricalProvider) and supports_interval(each, interval)]


def historical_provider_names(interval: Interval) -> list[str]:
    """Return the names of all providers that have past prices at this interval."""
    apis = {name: APIS[name](account) for name, account in ACCOUNTS.items()}
    live = [name for name, api in apis.items() if isinstance(api, HistoricalApi) and supports_interval(api, interval)]
    return [SimulatedProvider.name, *live]


def supports_interval(source: HistoricalApi | HistoricalProvider, interval: Interval) -> bool:
    """Return True if the provider, or its API, has past prices at this interval."""
    try:
        source.max_range(interval)
    except ProviderError:
        return False
    return True
