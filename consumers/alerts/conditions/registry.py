"""The operators by name, collected from the modules of this package."""

from collections.abc import Mapping
from functools import cache
from importlib import import_module
from pkgutil import iter_modules

from consumers.alerts import conditions
from consumers.alerts.conditions.base import Operator

_NOT_CONDITIONS = frozenset({"base", "registry"})


@cache
def operators() -> Mapping[str, Operator]:
    """Return every operator by its name, in alphabetical order."""
    names = sorted(module.name for module in iter_modules(conditions.__path__))
    return {name: _load(name) for name in names if name not in _NOT_CONDITIONS}


def supported_conditions() -> str:
    """Return the phrases of all operators on one line, for help texts and messages."""
    return ", ".join(operator.phrase for operator in operators().values())


def _load(name: str) -> Operator:
    """Return the `OPERATOR` of a module; raise TypeError if the module has none under its own name."""
    operator = getattr(import_module(f"{conditions.__name__}.{name}"), "OPERATOR", None)
    if not isinstance(operator, Operator) or operator.name != name:
        raise TypeError(f'conditions/{name}.py must define OPERATOR = Operator("{name}", ...)')
    return operator
