"""A crontab means what cron means by it."""

import pytest

from shared.crontab import expand_crontab
from shared.schedule import Schedule


def days(text: str) -> set[int]:
    """Return the days of the week, with Sunday as 0."""
    found = set(expand_crontab(f"0 9 * * {text}".split())[4])
    assert set(Schedule.parse(f"0 9 * * {text}").as_celery().day_of_week) == found
    return found


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("7", {0}),
        ("0", {0}),
        ("sun", {0}),
        ("SUN", {0}),
        ("Sunday", {0}),
        ("5-7", {5, 6, 0}),
        ("fri-sun", {5, 6, 0}),
        ("fri-mon", {5, 6, 0, 1}),
        ("6-1", {6, 0, 1}),
        ("0-7", {0, 1, 2, 3, 4, 5, 6}),
        ("1-7/2", {1, 3, 5, 0}),
        ("7,3", {0, 3}),
        ("mon,wed,7", {1, 3, 0}),
        ("*/2", {0, 2, 4, 6}),
        ("1-5", {1, 2, 3, 4, 5}),
    ],
)
def test_sunday_is_0_or_7_or_its_name(text: str, expected: set[int]) -> None:
    assert days(text) == expected


def test_the_other_fields_have_lists_ranges_steps_and_names() -> None:
    minutes, hours, dates, months, _ = expand_crontab(["0,30", "22-1", "*/10", "jan-mar,12", "*"])
    assert minutes == {0, 30}
    assert hours == {22, 23, 0, 1}
    assert dates == {1, 11, 21, 31}
    assert months == {1, 2, 3, 12}


@pytest.mark.parametrize(
    "text",
    [
        "60 * * * *",
        "* 24 * * *",
        "* * 0 * *",
        "* * 32 * *",
        "* * * 13 *",
        "* * * * 8",
        "* * * * 5-8",
        "* * * * -1",
        "* * * * 1-5x",
        "* * * * 1-5#2",
        "* * * * 5L",
        "* * * * jan",
        "* * * mon *",
        "sun * * * *",
        "*/0 * * * *",
        "*/5/2 * * * *",
        "5/15 * * * *",
        "1,,2 * * * *",
        ", * * * *",
        "? * * * *",
        "1-2-3 * * * *",
        "9999999 * * * *",
        "0 0 31 2 *",
        "0 0 30,31 feb *",
        "0 0 31 4,6,9,11 *",
    ],
)
def test_what_cron_does_not_know_or_never_comes_is_an_error_of_one_line(text: str) -> None:
    with pytest.raises(ValueError, match=r"^[^\n]+ is not a crontab: [^\n]+$"):
        Schedule.parse(text)


def test_a_leap_day_comes() -> None:
    assert expand_crontab(["0", "0", "29", "2", "*"])[2] == {29}
