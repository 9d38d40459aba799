"""Where prices come from: one file a provider, each behind the Protocol `Provider`, made here by name.

What those over HTTP share is in `http`.
"""

from collections.abc import Callable, Mapping
from pathlib import Path

from producer.providers.base import Provider
from producer.providers.http.apis.alphavantage import AlphaVantage
from producer.providers.http.apis.base import Api, HistoricalApi
from producer.providers.http.apis.finnhub import Finnhub
from producer.providers.http.apis.massive import Massive
from producer.providers.http.apis.twelvedata import TwelveData
from producer.providers.http.apis.yahoo import Yahoo
from producer.providers.http.provider import HistoricalHttpProvider, HttpProvider
from producer.providers.replay import ReplayProvider
from producer.providers.simulated import SimulatedProvider
from shared.accounts import KEYLESS, Account
from shared.errors import SettingsError
from shared.settings import PREFIX, Settings

# The API of each live provider, by its name.
APIS: Mapping[str, Callable[[Account], Api]] = {
    TwelveData.name: lambda _account: TwelveData(),
    Yahoo.name: lambda _account: Yahoo(),
    Finnhub.name: lambda _account: Finnhub(),
    AlphaVantage.name: AlphaVantage,
    Massive.name: lambda _account: Massive(),
}


def make_providers(settings: Settings, folder: Path) -> tuple[Provider, ...]:
    """The providers of `settings.provider`, in their failover order; what they have to remember goes to `folder`.

    Raises SettingsError for an unknown name, and for a setting that a provider needs.
    """
    return tuple(make_provider(name, settings, folder) for name in settings.provider)


def make_provider(name: str, settings: Settings, folder: Path) -> Provider:
    """The provider of this name. Raises SettingsError."""
    if name == SimulatedProvider.name:
        return SimulatedProvider()
    if name == ReplayProvider.name:
        if settings.replay_file is None:
            raise SettingsError("STOCKWIRE_REPLAY_FILE is not set: the provider 'replay' needs a CSV file to read from")
        return ReplayProvider(settings.replay_file, folder / "replay.json")
    if name not in APIS:
        names = ", ".join([SimulatedProvider.name, ReplayProvider.name, *APIS])
        raise SettingsError(f"STOCKWIRE_PROVIDER: {name!r} is no provider: use one of {names}")
    account = settings.accounts[name]
    if not account.key and name not in KEYLESS:
        raise SettingsError(
            f"{PREFIX}{name.upper()}_KEY is not set: the provider {name!r} needs a key (README, Live prices, says how)"
        )
    api = APIS[name](account)
    return (
        HistoricalHttpProvider(api, account, folder)
        if isinstance(api, HistoricalApi)
        else HttpProvider(api, account, folder)
    )
