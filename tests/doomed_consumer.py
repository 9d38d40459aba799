"""Run the alerts consumer, and kill it with SIGKILL before or after the call of one function.

The arguments are `before` or `after`, the module, and the name of the function in it.
"""

import os
import signal
import sys
from importlib import import_module
from operator import attrgetter

from consumers.alerts.handler import alerts
from shared.messaging.runner import run_consumer
from shared.settings import load_settings
from shared.signals import stop_on_signals


def main(when: str, module: str, path: str) -> None:
    *parents, name = path.split(".")
    owner = attrgetter(".".join(parents))(import_module(module)) if parents else import_module(module)
    original = getattr(owner, name)

    def die(*arguments: object, **options: object) -> None:
        if when == "after":
            original(*arguments, **options)
        os.kill(os.getpid(), signal.SIGKILL)

    setattr(owner, name, die)
    with stop_on_signals() as stop:
        run_consumer(alerts, load_settings(), stop)


if __name__ == "__main__":
    main(*sys.argv[1:])
