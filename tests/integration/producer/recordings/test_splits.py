"""Splits in files, and files whose prices are divided by them already."""

from datetime import date
from fractions import Fraction
from zoneinfo import ZoneInfo

import pytest

from producer.recordings.splits import SplitCollector
from shared.splits import Split
from tests.recordings import Read, Reading

AAPL = Split("AAPL", date(2020, 8, 31), 4, 1)


def splits_of(found: Reading, zone: str = "UTC") -> list[Split]:
    collector = SplitCollector(ZoneInfo(zone), found.warnings.append)
    for row in found.rows:
        collector.add(row)
    splits = collector.take()
    assert collector.take() == []
    return splits


@pytest.mark.parametrize(
    "name",
    ["split", "Stock Splits", "stock_splits", "split_coefficient", "Split Ratio", "splitFactor", "SPLITS", "<SPLIT>"],
)
@pytest.mark.parametrize("none", ["0", "0.0", "1", "1.0", "", "nan", "1:1"])
def test_a_column_of_splits_is_read(read: Read, name: str, none: str) -> None:
    found = read(
        f"Date,Symbol,Close,{name}",
        f"2020-08-28,AAPL,499.23,{none}",
        "2020-08-31,AAPL,129.04,4",
        f"2020-09-01,AAPL,134.18,{none}",
    )
    assert [row.split for row in found.rows] == [None, Fraction(4), None]
    assert (splits_of(found), found.warnings) == ([AAPL], [])


@pytest.mark.parametrize(
    ("text", "ratio"), [("4.0", "4:1"), ("4:1", "4:1"), ("0.33333333", "1:3"), ("1.238", "619:500")]
)
def test_ratios_are_read_as_files_write_them(read: Read, text: str, ratio: str) -> None:
    found = read("date,symbol,close,split", f"2020-08-31,AAPL,129.04,{text}")
    assert [split.ratio for split in splits_of(found)] == [ratio]


def test_a_ratio_may_have_a_decimal_comma_between_semicolons(read: Read) -> None:
    assert [row.split for row in read("date;symbol;close;split", "2020-08-31;X;12,5;1,5").rows] == [Fraction(3, 2)]


def test_columns_names_the_splits_of_another_file(read: Read) -> None:
    found = read(
        "20200831,AAPL,129.04,4", has_header=False, columns={"time": "1", "symbol": "2", "price": "3", "split": "4"}
    )
    assert splits_of(found) == [AAPL]


def test_a_download_of_several_symbols_has_a_column_of_splits_for_each(read: Read) -> None:
    found = read(
        "Price,Close,Close,Stock Splits,Stock Splits",
        "Ticker,AAPL,TSLA,AAPL,TSLA",
        "Date,,,,",
        "2020-08-28,499.23,2213.4,0.0,0.0",
        "2020-08-31,129.04,498.32,4.0,5.0",
    )
    assert splits_of(found) == [AAPL, Split("TSLA", date(2020, 8, 31), 5, 1)]


def test_a_split_that_cannot_be_read_is_named_and_costs_no_price(read: Read) -> None:
    found = read("date,symbol,close,split", "2020-08-28,AAPL,499.23,four", "2020-08-31,AAPL,129.04,-4")
    assert found.prices == ["499.23", "129.04"]
    assert [row.split for row in found.rows] == [None, None]
    assert [warning.partition(": ")[2] for warning in found.warnings] == [
        "line 2: its price is read, but not its split: 'four' is not the ratio of a split such as 4, 0.1 or 4:1",
        "line 3: its price is read, but not its split: '-4' is not the ratio of a split such as 4, 0.1 or 4:1",
    ]


def test_a_split_has_the_date_of_its_row_in_the_zone_of_the_file(read: Read) -> None:
    """Bars of a day say the split in each of their rows."""
    rows = [f"2020-08-31T{hour}:00,AAPL,129.04,4" for hour in ("04", "23")]
    found = read("time,symbol,close,split", *rows, zone=ZoneInfo("America/New_York"), interval="1h")
    assert splits_of(found, "America/New_York") == [AAPL]


def test_prices_that_do_not_show_their_split_are_named(read: Read) -> None:
    found = read("Date,Open,Close,Stock Splits", "2020-08-28,126,124.81,0", "2020-08-31,127,129.04,4", symbol="AAPL")
    assert splits_of(found) == [AAPL]
    [warning] = found.warnings
    assert warning == (
        "line 3: the prices of AAPL do not show its split of 4:1. If they are divided by it already, `history"
        " --adjusted` divides them again: run ./stockwire splits remove AAPL 2020-08-31"
    )


def test_a_split_is_told_from_a_move_on_the_same_day(read: Read) -> None:
    """TSLA rose by an eighth on the day of its split."""
    found = read("date,symbol,close,split", "2020-08-28,TSLA,2213.4,1", "2020-08-31,TSLA,498.32,5")
    assert splits_of(found)
    assert found.warnings == []
    reverse = read("date,symbol,close,split", "2020-08-28,X,0.5,1", "2020-08-31,X,4.1,0.1")
    assert splits_of(reverse)
    assert reverse.warnings == []
