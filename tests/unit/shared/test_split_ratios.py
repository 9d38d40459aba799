"""The ratio of a split in text from people."""

from fractions import Fraction

import pytest

from shared.split_ratios import parse_split_ratio


@pytest.mark.parametrize(
    ("text", "ratio"),
    [
        ("4:1", Fraction(4)),
        ("3:2", Fraction(3, 2)),
        ("1:10", Fraction(1, 10)),
        ("8:2", Fraction(4)),
        (" 20:1 ", Fraction(20)),
        ("10000:1", Fraction(10_000)),
    ],
)
def test_a_ratio_is_new_shares_for_old_ones(text: str, ratio: Fraction) -> None:
    assert parse_split_ratio(text) == ratio


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1:1",
        "0:1",
        "4:0",
        "-4:1",
        "1.5",
        "four",
        "a:b",
        "4:1:1",
        "4:1:2",
        "2:2",
        "4",
        "3/2",
        "4:",
        ":1",
        "10001:1",
        "99999:1",
    ],
)
def test_anything_else_is_not_a_ratio(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not a ratio such as 4:1 \(four new shares for one old\) or 1:10"):
        parse_split_ratio(text)
