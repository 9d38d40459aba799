"""The conditions by name, collected from the modules of this package."""

from collections.abc import Mapping, Sequence
from functools import cache
from importlib import import_module
from pkgutil import iter_modules

from consumers.alerts import conditions
from consumers.alerts.conditions.base import Condition

# Modules that several conditions share.
_SHARED = frozenset({"base", "channel", "extreme", "metrics", "moving", "price_condition", "registry"})


@cache
def all_conditions() -> Mapping[str, type[Condition]]:
    """Return every condition by its name in events, in alphabetical order."""
    names = sorted(module.name for module in iter_modules(conditions.__path__))
    return {name: _load(name) for name in names if name not in _SHARED}


@cache
def conditions_by_phrase() -> Sequence[tuple[list[str], type[Condition]]]:
    """Return the words that each condition begins with, longest first: `crossing up` comes before `crossing`."""
    found = [(condition.phrase.split(), condition) for condition in all_conditions().values()]
    return sorted(found, key=lambda pair: -len(pair[1].phrase))


def supported_conditions() -> str:
    """Return the phrases of all conditions on one line, for help texts and messages."""
    return ", ".join(condition.phrase for condition in all_conditions().values())


def _load(name: str) -> type[Condition]:
    """Return the `CONDITION` of a module. Raises TypeError if the module has none of its own."""
    condition = getattr(import_module(f"{conditions.__name__}.{name}"), "CONDITION", None)
    if not (isinstance(condition, type) and issubclass(condition, Condition) and condition.key() == name):
        raise TypeError(f"conditions/{name}.py must define CONDITION as a class of its own")
    return condition
