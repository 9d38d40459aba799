"""The consumers there are, by name."""

import importlib

from shared.errors import SettingsError
from shared.messaging.consumer import Consumer

BUILT_IN = {
    "history": ("consumers.history.handler:history", "keeps every price in the history database"),
    "alerts": ("consumers.alerts.handler:alerts", "raises an alert where a price makes a rule true"),
    "tail": ("consumers.tail:tail", "prints events as they pass, and keeps nothing"),
}


def find_consumer(name: str) -> Consumer:
    """One of ours by name, or anybody's as `module:object`. Raises SettingsError."""
    target = BUILT_IN[name][0] if name in BUILT_IN else name
    module_name, colon, attribute = target.partition(":")
    if not colon:
        raise SettingsError(f"no consumer {name!r}: use {', '.join(BUILT_IN)}, or module:object for one of yours")
    try:
        module = importlib.import_module(module_name)
    except Exception as error:
        reason = f"{type(error).__name__}: {error}"
        raise SettingsError(f"module {module_name!r} of consumer {name} cannot be imported: {reason}") from error
    found = getattr(module, attribute, None)
    if not isinstance(found, Consumer):
        raise SettingsError(
            f"{name} is no consumer: make {attribute} one with @consumer(...) of shared.messaging.consumer"
        )
    return found
