"""The built-in consumers, and the import of others."""

import importlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from shared.errors import SettingsError

if TYPE_CHECKING:
    from shared.messaging.consumer import Consumer

BUILT_IN = {
    "history": ("consumers.history.handler:history", "stores every price in the history database"),
    "alerts": ("consumers.alerts.handler:alerts", "evaluates alert rules on live prices and publishes alerts"),
    "tail": ("consumers.tail:tail", "prints events as they arrive and stores nothing"),
}


def find_consumer(name: str) -> "Consumer":
    """Return a built-in consumer by name, or any other as `module:object`, whose module may be in the current folder.

    Raises SettingsError.
    """
    from shared.messaging.consumer import Consumer

    target = BUILT_IN[name][0] if name in BUILT_IN else name
    module_name, colon, attribute = target.partition(":")
    if not colon:
        raise SettingsError(f"there is no consumer {name!r}: use {', '.join(BUILT_IN)}, or module:object for your own")
    if name not in BUILT_IN:
        _add_current_folder()
    try:
        module = importlib.import_module(module_name)
    except Exception as error:
        reason = f"{type(error).__name__}: {error}"
        raise SettingsError(f"module {module_name!r} of consumer {name} cannot be imported: {reason}") from error
    found = getattr(module, attribute, None)
    if not isinstance(found, Consumer):
        raise SettingsError(
            f"{name} is not a consumer: decorate {attribute} with @consumer(...) from shared.messaging.consumer"
        )
    return found


def _add_current_folder() -> None:
    """Let modules be found in the current folder, after all others: a queue.py there must not hide Python's own."""
    try:
        folder = str(Path.cwd())
    except FileNotFoundError:
        return  # somebody has deleted it
    if folder not in sys.path:
        sys.path.append(folder)
