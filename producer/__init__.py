"""The producer: Celery fetches quotes on schedule, and every price becomes a STOCK_DATA event."""

from typing import Any


def __getattr__(name: str) -> Any:
    """`app`, which `celery -A producer` looks for, without Celery for whoever imports only another module."""
    if name == "app":
        from producer.celery_app import app

        return app
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
