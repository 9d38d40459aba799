"""The times at which a delivery is tried again."""

from datetime import datetime, timedelta

# The delays before the first retries; every later retry comes after the last of them.
RETRY_DELAYS = tuple(timedelta(seconds=seconds) for seconds in (5, 30, 2 * 60, 10 * 60, 30 * 60))
# The least delay that is taken from a Retry-After, so that a target cannot ask for a flood.
MIN_RETRY_AFTER = timedelta(seconds=1)


def retry_delay(attempts: int) -> timedelta:
    """Return the delay before the next try after this many tries have failed."""
    return RETRY_DELAYS[min(attempts, len(RETRY_DELAYS)) - 1]


def next_try(now: datetime, attempts: int, retry_after: timedelta | None = None) -> datetime:
    """Return the time of the next try after this many tries have failed; `retry_after` is the target's own wish."""
    if retry_after is not None:
        return now + max(retry_after, MIN_RETRY_AFTER)
    return now + retry_delay(attempts)
