"""The producer: Celery fetches quotes on schedule and publishes each price as a STOCK_DATA event."""

import os
import sys
from pathlib import Path
from typing import Any


def __getattr__(name: str) -> Any:
    """Return `app` for `celery -A producer`; Celery is imported only then.

    Celery's variables in the environment, such as CELERY_BROKER_URL, are removed, because they win over our settings.
    """
    if name != "app":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    # The celery program removes the current folder from the path after it has found this package.
    root = str(Path(__file__).resolve().parent.parent)
    if root not in sys.path:
        sys.path.insert(0, root)
    from producer.celery_environment import remove_celery

    remove_celery(os.environ)
    from producer.celery_app import app

    return app
