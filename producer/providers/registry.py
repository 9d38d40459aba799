"""The providers by name."""

from collections.abc import Callable, Mapping
from pathlib import Path

from producer.providers.base import Provider
from producer.providers.http.apis.alphavantage import AlphaVantage
from producer.providers.http.apis.base import Api, HistoricalApi
from producer.providers.http.apis.finnhub import Finnhub
from producer.providers.http.apis.massive import Massive
from producer.providers.http.apis.twelvedata import TwelveData
from producer.providers.http.apis.yahoo import Yahoo
from producer.providers.replay import ReplayProvider
from producer.providers.simulated import SimulatedProvider
from shared.accounts import KEYLESS, Account
from shared.errors import SettingsError
from shared.setting_names import PREFIX
from shared.settings import Settings

# The API of each live provider, by its name.
APIS: Mapping[str, Callable[[Account], Api]] = {
    TwelveData.name: lambda _account: TwelveData(),
    Yahoo.name: lambda _account: Yahoo(),
    Finnhub.name: lambda _account: Finnhub(),
    AlphaVantage.name: AlphaVantage,
    Massive.name: lambda _account: Massive(),
}


def make_providers(settings: Settings, folder: Path) -> tuple[Provider, ...]:
    """Return the providers in `settings.provider`, in failover order; they keep their state in `folder`.

    Raises SettingsError for an unknown name and for a missing setting.
    """
    return tuple(make_provider(name, settings, folder) for name in settings.provider)


def make_provider(name: str, settings: Settings, folder: Path) -> Provider:
    """Return the provider with this name. Raises SettingsError."""
    if name == SimulatedProvider.name:
        return SimulatedProvider()
    if name == ReplayProvider.name:
        if settings.replay_file is None:
            raise SettingsError("STOCKWIRE_REPLAY_FILE is not set: set it to the CSV file for the provider 'replay'")
        return ReplayProvider(settings.replay_file, folder / "replay.json")
    if name not in APIS:
        names = ", ".join([SimulatedProvider.name, ReplayProvider.name, *APIS])
        raise SettingsError(f"STOCKWIRE_PROVIDER: {name!r} is not a provider: use one of {names}")
    account = settings.accounts[name]
    if not account.key and name not in KEYLESS:
        raise SettingsError(
            f"{PREFIX}{name.upper()}_KEY is not set: the provider {name!r} needs a key (see docs/providers.md)"
        )
    # Other providers need no HTTP client.
    from producer.providers.http.provider import HistoricalHttpProvider, HttpProvider

    api = APIS[name](account)
    return (
        HistoricalHttpProvider(api, account, folder)
        if isinstance(api, HistoricalApi)
        else HttpProvider(api, account, folder)
    )
