"""The producer: Celery fetches quotes on schedule, and every price becomes a STOCK_DATA event."""

import sys
from pathlib import Path
from typing import Any


def __getattr__(name: str) -> Any:
    """`app`, which `celery -A producer` looks for, without Celery for whoever imports only another module."""
    if name != "app":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    # The celery program has the current folder on its path for no longer than it takes to find this package.
    root = str(Path(__file__).resolve().parent.parent)
    if root not in sys.path:
        sys.path.insert(0, root)
    from producer.celery_app import app

    return app
