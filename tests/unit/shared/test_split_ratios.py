"""The ratio of a split in text from people, files and providers."""

from fractions import Fraction

import pytest

from shared.split_ratios import parse_split_ratio, read_split_ratio


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


@pytest.mark.parametrize(
    ("text", "ratio"),
    [
        ("4", Fraction(4)),
        ("4.0", Fraction(4)),
        (" 1.5 ", Fraction(3, 2)),
        (".1", Fraction(1, 10)),
        ("1.238", Fraction(619, 500)),
        ("4:1", Fraction(4)),
        ("1:10", Fraction(1, 10)),
        ("3.5:1", Fraction(7, 2)),
        ("3/2", Fraction(3, 2)),
        ("4-for-1", Fraction(4)),
        ("3 for 2", Fraction(3, 2)),
        # Rounded fractions.
        ("0.33333333", Fraction(1, 3)),
        ("0.3333", Fraction(1, 3)),
        ("1.4869999", Fraction(1487, 1000)),
        ("0.34615385", Fraction(9, 26)),
        # Not rounded: the shares of a spin-off.
        ("1.0112", Fraction(632, 625)),
    ],
)
def test_files_and_providers_write_a_ratio_as_a_number_or_as_two(text: str, ratio: Fraction) -> None:
    assert read_split_ratio(text) == ratio


@pytest.mark.parametrize("text", ["0", "0.0", "1", "1.0", "1:1", "2:2", "0:1", "4:0", "1.00000001"])
def test_one_share_for_one_is_not_a_split(text: str) -> None:
    assert read_split_ratio(text) is None


@pytest.mark.parametrize("text", ["", "-4", "four", "4:1:2", "10001", "0.00001", "4x", "1e3", "4,0"])
def test_anything_else_is_not_the_ratio_of_a_file(text: str) -> None:
    with pytest.raises(ValueError, match="is not the ratio of a split"):
        read_split_ratio(text)
