"""The retry policy for one HTTP request."""

from collections.abc import Callable

from shared.backoff import Backoff
from shared.errors import RateLimited, StorageUnavailable
from shared.http.deadline import Deadline

MAX_RETRIES = 2
# Retries of a request that got no response at all.
MAX_CONNECTION_RETRIES = 1
# Seconds. A shorter Retry-After is waited for on the spot. A longer one ends the request with its response.
MAX_RETRY_AFTER = 5.0

_SERVER_ERRORS = frozenset({500, 502, 503, 504})
_RETRY_AFTER_STATUSES = frozenset({413, 429}) | _SERVER_ERRORS


class Retries:
    """The retries that are left for one call, with its redirects. None begins after the call's deadline.

    `reserve` reserves the credits for one retry. If it raises RateLimited or StorageUnavailable, there is no retry.
    """

    def __init__(self, reserve: Callable[[], None], deadline: Deadline) -> None:
        self._reserve = reserve
        self._deadline = deadline
        self._left = MAX_RETRIES
        self._connection_left = MAX_CONNECTION_RETRIES
        self._backoff = Backoff(first=0.2, cap=1.0)

    def after_connection_error(self) -> float | None:
        """Return the delay in seconds before the retry of a request without a response, or None for no retry."""
        if not self._connection_left:
            return None
        self._connection_left -= 1
        return self._use_one(self._backoff.next_delay())

    def after_response(self, status: int, retry_after: float | None) -> float | None:
        """Return the delay in seconds before the retry after this response, or None to accept the response.

        `retry_after` is the response's own header in seconds. A 429 without it is not retried, because the
        end of the limit is unknown.
        """
        if retry_after is None:
            return self._use_one(self._backoff.next_delay()) if status in _SERVER_ERRORS else None
        if status not in _RETRY_AFTER_STATUSES or retry_after > MAX_RETRY_AFTER:
            return None
        return self._use_one(retry_after)

    def _use_one(self, delay: float) -> float | None:
        if not self._left or delay >= self._deadline.remaining:
            return None
        try:
            self._reserve()
        except (RateLimited, StorageUnavailable):
            return None
        self._left -= 1
        return delay
