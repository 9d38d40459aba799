"""The queue of sync tasks, and the checks of its messages before Celery trusts them."""
