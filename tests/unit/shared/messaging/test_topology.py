import pytest

from shared.errors import SettingsError
from shared.messaging.topology import check_pattern, check_queue_name, dead_queue_name


def test_the_longest_name_of_a_queue_has_room_for_its_dead_letter_queue() -> None:
    assert len(dead_queue_name(check_queue_name("q" * 250))) == 255


@pytest.mark.parametrize("name", ["", "q" * 251, "prix élevés", "a\nb", "\udcff", "a>b", "amq.mine"])
def test_a_name_that_rabbitmq_does_not_take_is_an_error_that_says_what_to_use(name: str) -> None:
    with pytest.raises(SettingsError, match="is not a name for a queue"):
        check_queue_name(name)


@pytest.mark.parametrize("pattern", ["", "#", "stock.*.price", "stock.É.price", "p" * 255])
def test_a_pattern_may_have_any_printable_text_of_255_bytes(pattern: str) -> None:
    assert check_pattern(pattern) == pattern


@pytest.mark.parametrize("pattern", ["p" * 256, "é" * 128, "a\nb", "\x1b", "\udcff"])
def test_a_pattern_that_amqp_cannot_hold_is_an_error(pattern: str) -> None:
    with pytest.raises(SettingsError, match="is not a routing pattern such as"):
        check_pattern(pattern)
