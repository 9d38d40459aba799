"""The header Retry-After: a number of seconds, or a date."""

import requests
import urllib3


def read_retry_after(response: requests.Response) -> float | None:
    """Return the delay that an answer asks for, in seconds and not less than 0; None if missing or invalid."""
    try:
        return urllib3.Retry().get_retry_after(response.raw)
    except (urllib3.exceptions.InvalidHeader, ValueError, OverflowError):
        # Also a number of thousands of digits, or a date that no clock reaches.
        return None
