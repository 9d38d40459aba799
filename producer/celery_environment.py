"""Environment variables that Celery's programs read. Those of another project must not change this one."""

from collections.abc import Mapping, MutableMapping

# Source: celery/bin/celery.py, whose options also have variables without a prefix, and celery/app/utils.py.
_PREFIX = "CELERY"
_OPTIONS = frozenset({"APP", "BROKER_URL", "CONFIG_MODULE", "LOADER", "RESULT_BACKEND", "SKIP_CHECKS", "WORKDIR"})


def without_celery(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment for a program of Celery, without the variables that would change its options."""
    return {name: value for name, value in environ.items() if name not in _OPTIONS and not name.startswith(_PREFIX)}


def remove_celery(environ: MutableMapping[str, str]) -> None:
    """Remove the variables that Celery reads after it has found the app: its settings and a command's options."""
    for name in [each for each in environ if each.startswith(_PREFIX)]:
        del environ[name]
