"""The parts in which messages with many attempts are handled."""

from shared.messaging.messages import Delivery
from shared.messaging.runner import _split_by_attempts

MAX_BATCH = 2000


def sizes(count: int, attempts: int) -> list[int]:
    properties = {"headers": {"x-delivery-count": attempts}}
    batch = [Delivery(number, "", "", b"", properties, redelivered=attempts > 0) for number in range(count)]
    parts = list(_split_by_attempts(batch, MAX_BATCH))
    assert [delivery for part in parts for delivery in part] == batch
    return [len(part) for part in parts]


def test_messages_with_few_attempts_stay_together() -> None:
    assert sizes(2000, 0) == sizes(2000, 2) == [2000]


def test_each_attempt_makes_the_first_part_smaller_and_each_part_is_twice_the_one_before() -> None:
    assert sizes(2000, 3) == [1000, 1000]
    assert sizes(2000, 5) == [250, 500, 1000, 250]
    assert sizes(100, 13) == [1, 2, 4, 8, 16, 32, 37]
