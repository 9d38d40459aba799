"""How long a sync that was held up waits for another try, and whether that is still worth it."""

import random
from datetime import datetime, timedelta

from shared.errors import RateLimited, StockwireError
from shared.times import utc_now

# In seconds: the longest wait before the first retry, and before any.
FIRST_WAIT = 2.0
LONGEST_WAIT = 60.0


def retry_delay(error: StockwireError | None, retries: int) -> float:
    """Seconds before a sync that so many retries have not mended is tried again, after this error."""
    return delay_until(error.retry_at) if isinstance(error, RateLimited) else backoff_delay(retries)


def backoff_delay(retries: int) -> float:
    """Seconds before the next try: twice as long each time up to a minute, and jittered."""
    longest = min(LONGEST_WAIT, FIRST_WAIT * 2**retries)
    return round(random.uniform(longest / 2, longest), 1)  # noqa: S311 - not for secrets


def delay_until(moment: datetime) -> float:
    """Seconds until then, and a moment more, since nobody's clock is exact."""
    return round(max(0.0, (moment - utc_now()).total_seconds()) + 0.5, 1)


def is_in_time(wait: float, end: datetime) -> bool:
    """Whether a try after `wait` seconds comes before the next sync does, at `end`."""
    return utc_now() + timedelta(seconds=wait) < end
