"""The times of the retries."""

from datetime import timedelta

import pytest

from consumers.alerts.notifications.schedule import next_try, retry_delay
from tests.event_factories import NOW


def test_retries_come_after_growing_delays_and_then_every_half_hour() -> None:
    delays = [retry_delay(attempts).total_seconds() for attempts in range(1, 9)]
    assert delays == [5, 30, 120, 600, 1800, 1800, 1800, 1800]


@pytest.mark.parametrize(("wish", "delay"), [(None, 5), (0, 1), (0.2, 1), (1, 1), (3, 3), (7200, 7200)])
def test_the_wish_of_a_target_replaces_the_delay_but_not_below_a_second(wish: float | None, delay: float) -> None:
    retry_after = None if wish is None else timedelta(seconds=wish)
    assert next_try(NOW, 1, retry_after) == NOW + timedelta(seconds=delay)
