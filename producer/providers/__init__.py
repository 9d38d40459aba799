"""Where prices come from: one file a provider, each behind the Protocol `Provider`, made here by name."""

from collections.abc import Callable, Mapping
from pathlib import Path

from producer.providers.quote import Provider, Quote
from producer.providers.replay import ReplayProvider
from producer.providers.simulated import SimulatedProvider
from shared.errors import SettingsError
from shared.settings import Settings

__all__ = ["Provider", "Quote", "make_providers"]


def make_providers(settings: Settings, folder: Path) -> tuple[Provider, ...]:
    """The providers of `settings.provider`, in their failover order; what they have to remember goes to `folder`.

    Raises SettingsError for an unknown name, and for a setting that a provider needs.
    """
    unknown = [name for name in settings.provider if name not in _MAKERS]
    if unknown:
        raise SettingsError(f"STOCKWIRE_PROVIDER: {unknown[0]!r} is no provider: use one of {', '.join(_MAKERS)}")
    return tuple(_MAKERS[name](settings, folder) for name in settings.provider)


def _make_simulated(_settings: Settings, _folder: Path) -> Provider:
    return SimulatedProvider()


def _make_replay(settings: Settings, folder: Path) -> Provider:
    if settings.replay_file is None:
        raise SettingsError("STOCKWIRE_REPLAY_FILE is not set: the provider 'replay' needs a CSV file to read from")
    return ReplayProvider(settings.replay_file, folder / "replay.json")


_MAKERS: Mapping[str, Callable[[Settings, Path], Provider]] = {
    SimulatedProvider.name: _make_simulated,
    ReplayProvider.name: _make_replay,
}
