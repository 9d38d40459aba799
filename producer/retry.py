"""Delays before a failed sync is retried, and the check that a retry still comes before the next sync."""

from datetime import datetime, timedelta

from shared.backoff import backoff_delay
from shared.errors import RateLimited, StockwireError
from shared.times import utc_now

# Seconds: the upper bound of the delay before the first retry, and of every delay.
FIRST_DELAY = 2.0
MAX_DELAY = 60.0
# Seconds added to the end of a rate limit, because clocks differ.
CLOCK_MARGIN = 0.5


def retry_delay(error: StockwireError | None, retries: int) -> float:
    """Return the delay in seconds before retry number `retries + 1`; after a rate limit, until the limit ends."""
    if isinstance(error, RateLimited):
        return delay_until(error.retry_at)
    return round(backoff_delay(retries, FIRST_DELAY, MAX_DELAY), 1)


def delay_until(moment: datetime) -> float:
    """Return the seconds until `moment` (UTC), plus a margin for clocks that differ."""
    return round(max(0.0, (moment - utc_now()).total_seconds()) + CLOCK_MARGIN, 1)


def is_in_time(delay: float, next_sync: datetime) -> bool:
    """Return True if a retry after `delay` seconds comes before the next sync (UTC)."""
    return utc_now() + timedelta(seconds=delay) < next_sync
