from datetime import timedelta

import pytest

from producer.recordings.options import (
    ReadingOptions,
    Stamp,
    check_date_format,
    check_encoding,
    has_time_of_day,
    parse_bar_interval,
    parse_columns,
)


@pytest.mark.parametrize(
    ("text", "interval"), [("60m", "1h"), ("24h", "1d"), ("5m", "5m"), ("1w", "1w"), ("1mo", "1mo")]
)
def test_an_interval_has_one_spelling(text: str, interval: str) -> None:
    assert parse_bar_interval(text) == interval


@pytest.mark.parametrize("text", ["", "0m", "5", "1y", "-1h", "1h30m"])
def test_any_other_interval_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="length of a bar"):
        parse_bar_interval(text)


@pytest.mark.parametrize(
    ("interval", "stamp", "minutes"),
    [
        *((None, Stamp.START, 0), ("5m", Stamp.START, 5), ("1h", Stamp.START, 60), ("5m", Stamp.END, 0)),
        *(("1d", Stamp.START, 0), ("7d", Stamp.START, 0), ("1w", Stamp.START, 0), ("1mo", Stamp.START, 0)),
    ],
)
def test_only_bars_shorter_than_a_day_have_the_time_of_their_end(
    interval: str | None, stamp: Stamp, minutes: int
) -> None:
    assert ReadingOptions(interval=interval, stamp=stamp).time_shift() == timedelta(minutes=minutes)


def test_columns_are_pairs() -> None:
    assert parse_columns(["time=1, close=Last Price", "volume=a=b"]) == {
        "time": "1",
        "close": "Last Price",
        "volume": "a=b",
    }


@pytest.mark.parametrize("text", ["time", "=1", "time=", "time=1,time=2", "a,b"])
def test_any_other_columns_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not NAME=COLUMN|is given twice"):
        parse_columns([text])


@pytest.mark.parametrize("text", ["%d/%m/%Y", "%m/%d/%y %H:%M:%S.%f", "%d-%b-%Y", "%Y%j", "%d.%m.%Y %I:%M %p %z", "%x"])
def test_a_date_format_has_year_month_and_day(text: str) -> None:
    assert check_date_format(text) == text


@pytest.mark.parametrize("text", ["", "%d/%m", "%Y-%m", "%H:%M", "DD/MM/YYYY", "%Q", "%d/%m/%"])
def test_any_other_date_format_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"lacks year, month or day|is not a date format"):
        check_date_format(text)


@pytest.mark.parametrize(
    ("text", "has_time"), [("%d/%m/%Y", False), ("%d/%m/%Y %H", True), ("%c", True), ("%x", False)]
)
def test_a_format_with_an_hour_is_a_time(text: str, has_time: bool) -> None:
    assert has_time_of_day(text) is has_time


@pytest.mark.parametrize("text", ["latin-1", "cp1252", "utf-16-le", "gbk"])
def test_an_encoding_is_known_to_python(text: str) -> None:
    assert check_encoding(text) == text


@pytest.mark.parametrize("text", ["", "klingon", "hex", "rot13", "zlib", "a\0b"])
def test_any_other_encoding_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not an encoding such as latin-1"):
        check_encoding(text)
