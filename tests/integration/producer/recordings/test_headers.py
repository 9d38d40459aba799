"""Headers of files of recorded prices: what is missing, what options give, frames, and joined files."""

from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from producer.recordings.reader import Recording
from producer.recordings.rows import RecordedPrice
from shared.errors import SettingsError
from tests.recordings import DAY, Read

HEADERS = {
    "date,close": r"names no symbol: give it with --symbol S, or its column with --columns symbol=COLUMN$",
    "date,symbol": r"names no price: give it with --columns price=COLUMN; its header has: date, symbol$",
    "symbol,close": r"names no time: give it with --columns time=COLUMN; its header has: symbol, close$",
    "date,Adj Close,symbol": "names no price",
    "close": r"names no symbol and no time: .* \(or the symbol with --symbol S\)",
    "a,b,c": r"has no header that is known; its first line has: a, b, c\. Name the columns with --columns",
    "date,symbol,close,Close": r"has the column 'close' 2 times \(columns 3 and 4\): say which with --columns price=3",
    "date,symbol,symbol,close": r"has the column 'symbol' 2 times",
    "date,date,symbol,close": r"has the column 'date' 2 times",
    "date,symbol,close,volume,<VOLUME>": r"has the column 'volume' 2 times",
    "1611007200000,0.042,0.0421": r"has no header: name its columns by number, such as --no-header --columns time=1,",
    "{": "has no header that is known; its first line has: {",
}


@pytest.mark.parametrize(("header", "message"), HEADERS.items(), ids=HEADERS.keys())
def test_a_header_that_lacks_something_says_what_and_which_option_gives_it(
    read: Read, header: str, message: str
) -> None:
    with pytest.raises(SettingsError, match=message) as caught:
        read(header, "1,2,3")
    assert "\n" not in str(caught.value)


KLINE = "1577923200000,11,13,10,12.5,1200.5,1577926799999,50,30"
NUMBERS = {"time": "1", "open": "2", "high": "3", "low": "4", "close": "5", "volume": "6"}


def test_a_file_without_a_header_is_read_by_numbers(read: Read) -> None:
    [row] = read(KLINE, has_header=False, columns=NUMBERS, symbol="XYZ").rows
    assert row == RecordedPrice(
        1, "XYZ", DAY, Decimal("12.5"), None, 1200, Decimal(11), Decimal(13), Decimal(10), None, None
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"has_header": False, "symbol": "XYZ"}, "has no header: name its columns by number"),
        ({"has_header": False, "symbol": "XYZ", "columns": {"time": "0", "close": "5"}}, "has no column '0'"),
        ({"has_header": False, "symbol": "XYZ", "columns": {"time": "1", "close": "10"}}, "needs numbers from 1 to 9"),
        ({"has_header": False, "columns": {"time": "1", "close": "5"}}, "has no header"),
        ({"has_header": False, "columns": {"colour": "1"}}, "'colour' is not one of symbol, price, time"),
        ({"symbol": "XYZ", "columns": {"time": "1", "close": "5"}}, "where its name should be: add --no-header"),
        ({"symbol": "XYZ", "columns": {"time": "Zeit"}}, r"has no column 'Zeit' \(--columns\); its header has: 15779"),
    ],
)
def test_columns_that_are_not_there_are_named(read: Read, options: dict[str, object], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        read(KLINE, **options)


@pytest.mark.parametrize(
    "columns",
    [
        {"date": "Datum", "price": "Kurs", "symbol": "Wert"},
        {"time": "datum", "close": "KURS", "ticker": "wert"},
        {"as_of": "1", "last": "4", "name": "2"},
    ],
)
def test_columns_are_named_by_the_options(read: Read, columns: dict[str, str]) -> None:
    found = read("Datum;Wert;Close;Kurs", "2020-01-02;XYZ;99;12,5", columns=columns)
    assert [(row.symbol, row.as_of, str(row.price)) for row in found.rows] == [("XYZ", DAY, "12.5")]


def test_a_column_that_is_there_twice_is_chosen_by_number(read: Read) -> None:
    assert read("date,symbol,close,Close", "2020-01-02,XYZ,99,12.5", columns={"price": "4"}).prices == ["12.5"]


FRAMES = {
    "three lines": (("Price,Close,High,Volume", "Ticker,XYZ,XYZ,XYZ", "Date,,,"), "2020-01-02,12.5,13,7"),
    "without names": ((",Adj Close,Close,High", ",XYZ,XYZ,XYZ", "Date,,,"), "2020-01-02,99,12.5,13"),
    "by ticker": (("Ticker,XYZ,XYZ", "Price,High,Close", "Date,,"), "2020-01-02,13,12.5"),
    "two lines": (("Price,Close,High", "Ticker,xyz,xyz"), "2020-01-02,12.5,13"),
    "with an own column": (("Date,Close,High", ",XYZ,XYZ"), "2020-01-02,12.5,13"),
    "with an index": (("Price,Date,Close,High", "Ticker,,XYZ,XYZ"), "0,2020-01-02,12.5,13"),
    "a time": (("Price,Close,High", "Ticker,XYZ,XYZ", "Datetime,,"), "2020-01-02 00:00:00+00:00,12.5,13"),
}


@pytest.mark.parametrize(("header", "row"), FRAMES.values(), ids=FRAMES.keys())
def test_headers_of_two_and_three_lines(read: Read, header: tuple[str, ...], row: str) -> None:
    found = read(*header, row, *header, row)
    assert found.refused == {}
    assert {(each.symbol, each.as_of, str(each.price)) for each in found.rows} == {("XYZ", DAY, "12.5")}
    assert [each.line for each in found.rows] == [len(header) + 1, 2 * len(header) + 2]


def test_a_frame_of_several_symbols_has_a_price_for_each(read: Read) -> None:
    found = read(
        "Price,Close,Close,High,High",
        "Ticker,AAA,BBB,AAA,BBB",
        "Date,,,,",
        "2020-01-02,1,2,3,4",
        "2020-01-03,,5,,6",
        "2020-01-04,x,7,,",
    )
    assert [(row.symbol, str(row.price), row.high) for row in found.rows] == [
        ("AAA", "1", 3),
        ("BBB", "2", 4),
        ("BBB", "5", 6),
        ("BBB", "7", None),
    ]
    assert found.refused == {6: "close 'x' is not a decimal number such as 412.35"}


def test_a_frame_of_a_ticker_in_digits(read: Read) -> None:
    found = read("Price,Close,High", "Ticker,600519,600519", "Date,,", "2020-01-02,12.5,13")
    assert [(row.symbol, str(row.price)) for row in found.rows] == [("600519", "12.5")]


def test_frames_of_other_symbols_may_follow(read: Read) -> None:
    head = ("Price,Close,High", "Ticker,AAA,AAA", "Date,,", "2020-01-02,1,2")
    found = read(*head, *(line.replace("AAA", "BBB") for line in head))
    assert [row.symbol for row in found.rows] == ["AAA", "BBB"]
    with pytest.raises(SettingsError, match="has another header in line 5, so the file ends there"):
        read(*head, "Price,High,Close", *head[1:])


def test_a_frame_of_several_symbols_takes_no_symbol(read: Read) -> None:
    with pytest.raises(SettingsError, match="leave out --symbol"):
        read("Price,Close,Close", "Ticker,AAA,BBB", "Date,,", "2020-01-02,1,2", symbol="XYZ")


JOINED = {
    "the same header": ("date,symbol,close", "2020-01-03,XYZ,2"),
    "in another case": ("Date,Symbol,Close", "2020-01-03,XYZ,2"),
    "behind a mark": ("\ufeffdate,symbol,close", "2020-01-03,XYZ,2"),
    "in another order": ("close,symbol,date", "2,XYZ,2020-01-03"),
    "of another width": ("symbol,open,high,low,close,date", "XYZ,2,2,2,2,2020-01-03"),
    "with trailing fields": ("date,symbol,close,,", "2020-01-03,XYZ,2,,"),
}


@pytest.mark.parametrize("rest", JOINED.values(), ids=JOINED.keys())
@pytest.mark.parametrize("select", [False, True])
def test_the_headers_of_joined_files_are_passed_over(tmp_path: Path, rest: tuple[str, ...], select: bool) -> None:
    path = tmp_path / "prices.csv"
    path.write_text("\n".join(["\ufeffdate,symbol,close", "2020-01-02,XYZ,1", *rest]), encoding="utf-8")
    with Recording(path) as recording:
        rows = list(recording.rows((lambda symbol, _time: symbol == "XYZ") if select else None))
    assert [(row.as_of, row.price) for row in rows if isinstance(row, RecordedPrice)] == [
        (DAY, Decimal(1)),
        (DAY + timedelta(days=1), Decimal(2)),
    ]


def test_rows_behind_a_header_without_a_symbol_are_not_guessed(read: Read) -> None:
    with pytest.raises(SettingsError, match="has another header in line 3, so the file ends there: it names no symbol"):
        read("date,symbol,close", "2020-01-02,XYZ,1", "date,open,close", "2020-01-03,132,133")
