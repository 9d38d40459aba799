"""Rows of files of recorded prices: quotes, refusals, currencies, symbols and times."""

import csv
import io
import re
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from producer.recordings.options import Stamp
from tests.recordings import Read

NEW_YORK = ZoneInfo("America/New_York")


def test_two_files_joined_without_a_line_break_are_named(read: Read) -> None:
    found = read("date,symbol,close", "2020-01-02,XYZ,1date,symbol,close", "2020-01-03,XYZ,2")
    assert found.prices == ["2"]
    assert found.refused == {2: "has 5 fields, the header has 3: two files were joined here, break this line in two"}


def test_quoted_line_breaks_are_legal(read: Read) -> None:
    found = read(
        "date,symbol,name,close",
        '2020-01-02,A,"Big 5"" Pipes",1',
        '2020-01-02,B,Big 5" Pipes,2',
        '2020-01-02,C,"Two',
        'Lines, and ""more""',
        '",3',
        '2020-01-02,D,"# not a comment',
        '# either",4',
        "2020-01-02,E,ok,5",
    )
    assert ([row.line for row in found.rows], found.prices) == ([2, 3, 6, 8, 9], ["1", "2", "3", "4", "5"])
    assert found.refused == {}


@pytest.mark.parametrize(
    "rows",
    [
        ('2020-01-02,B,"name,2', "2020-01-02,C,name,3", "2020-01-02,D,name,4"),
        ('2020-01-02,B,"name,2', '2020-01-02,C,"name",3', '2020-01-02,D,"name",4'),
        ('2020-01-02,B,"name,2', '2020-01-02,C,"name, other",3', "2020-01-02,D,name,4"),
        ('2020-01-02,B,"name,2', '2020-01-02,C,"",3', "2020-01-02,D,name,4"),
        ('"2020-01-02,B,name,2', '"2020-01-02",C,name,3', "2020-01-02,D,name,4"),
        ('2020-01-02,B,name,"', "2020-01-02,C,name,3", "2020-01-02,D,name,4"),
    ],
)
def test_an_unclosed_quote_swallows_no_row(read: Read, rows: tuple[str, ...]) -> None:
    found = read("date,symbol,name,close", "2020-01-02,A,name,1", *rows)
    assert found.prices == ["1", "3", "4"]
    assert found.refused == {3: "has a quote that is not closed"}


@pytest.mark.parametrize(
    ("invalid", "reason"),
    [
        ("2020-01-02,AAPL,,1,5", "close is missing"),
        ("2020-01-02,AAPL,nan,1,5", "close is missing"),
        ("2020-01-02,AAPL,abc,1,5", "close 'abc' is not a decimal number"),
        ("2020-01-02,AAPL,-1,1,5", "close '-1' is negative"),
        ("2020-01-02,AAPL,0,1,5", "close must be more than zero"),
        ("2020-01-02,AAPL,1.2345678901234567,1,5", "more than 15 significant digits"),
        ('2020-01-02,AAPL,"1,131",1,5', "close '1,131' may mean 1131 or 1.131"),
        ("2020-01-02,A*,1,1,5", "symbol 'A*' is not"),
        ("2020-01-02,AMpB,1,1,5", "symbol 'AMpB' mixes upper and lower case, and may be another security than AMPB"),
        ("soon,AAPL,1,1,5", "time 'soon' is not a date or time"),
        ("2020-13-02,AAPL,1,1,5", "time '2020-13-02' is not"),
        ("07/05/2020,AAPL,1,1,5", "say so with --date-format, such as %d/%m/%Y"),
        (",AAPL,1,1,5", "time is missing"),
        ("2999-01-01,AAPL,1,1,5", "time '2999-01-01' is in the future"),
        ("2020-01-02,AAPL,1", "has 3 fields, the header has 5"),
        ('2020-01-02,AAPL,"1,5",1,5,6', "has 6 fields, the header has 5"),
        ("2020-01-02,A\0A,1,1,5", "has zero bytes"),
        ("2020-01-02,AAPL," + "1" * 200_000 + ",1,5", "is longer than 65,536 characters"),
        ("\0" * 300_000, "is longer than 65,536 characters"),
    ],
)
def test_an_invalid_row_is_reported_and_its_neighbours_are_read(read: Read, invalid: str, reason: str) -> None:
    found = read("date,symbol,close,open,volume", "2020-01-02,A,1,1,5", invalid, "", "2020-01-02,B,1,,")
    assert [(row.symbol, row.line) for row in found.rows] == [("A", 2), ("B", 5)]
    assert list(found.refused) == [3]
    assert reason in found.refused[3]


def test_impossible_parts_of_a_bar_are_left_out_and_the_price_stays(read: Read) -> None:
    found = read(
        "date,symbol,open,high,low,close,volume,previous_close",
        "2020-01-02,A,0.0,0.0,0.0,99.02,0,0",
        "2020-01-02,A,,,,99.02,,",
        "2020-01-02,A,nan,null,-,99.02,nan,x",
        "2020-01-02,A,x,-1,y,99.02,many,",
        "2020-01-02,A,50,98,100,99.02,-,",
        "2020-01-02,A,120,110,98,99.02,1.5M,98",
        "2020-01-02,A,99,99.02,99,99.02,24306145.14,98",
    )
    assert found.refused == {}
    assert [(row.open, row.high, row.low) for row in found.rows[:4]] == [(None, None, None)] * 4
    assert [(row.open, row.high, row.low) for row in found.rows[4:]] == [
        (Decimal(50), None, None),
        (None, 110, 98),
        (99, Decimal("99.02"), 99),
    ]
    assert [row.volume for row in found.rows] == [0, None, None, None, None, 1_500_000, 24_306_145]
    assert {row.price for row in found.rows} == {Decimal("99.02")}


def test_parts_of_currencies_are_no_currency_and_unknown_ones_are_named_once(read: Read) -> None:
    codes = ["GBp", "GBX", "ZAc", "ILA", "USX", "KWF", "gbx", "GBP", "usd", "DEM", "DEM", "USDT", "Usd", ""]
    found = read("date,symbol,close,currency", *(f"2020-01-02,A,1,{code}" for code in codes))
    assert [row.currency for row in found.rows] == [None] * 7 + ["GBP", "USD"] + [None] * 5
    assert [line.split(": ", 1)[1] for line in found.warnings] == [
        f"currency '{code}' is unknown: its prices have no currency" for code in ("DEM", "USDT", "Usd")
    ]


SYMBOLS = ["xyz", "BRK.B", "M&M.NS", "BTC/USD", "^GSPC", "ES=F", "7203.T", "NA", "TRUE", "NULL", "NAN", "INF", "OPEN"]


def test_tickers_stay_tickers(read: Read) -> None:
    found = read("date,symbol,close", *(f"2020-01-02,{symbol},1" for symbol in [*SYMBOLS, "'-X", "'=X"]))
    assert [row.symbol for row in found.rows] == [*(symbol.upper() for symbol in SYMBOLS), "-X", "=X"]


def test_a_symbol_may_be_given_for_a_file_that_names_companies(read: Read) -> None:
    rows = ("2020-01-02,Big Pipes Inc.,1", "2020-01-02,Pipes,2", "2020-01-02,xyz,3")
    assert read("date,name,close", *rows, symbol="XYZ").prices == ["1", "2", "3"]


def test_rows_of_another_symbol_are_never_published_as_the_given_one(read: Read) -> None:
    found = read("date,symbol,close", "2020-01-02,A,1", "2020-01-02,XYZ,2", symbol="XYZ")
    assert found.prices == ["2"]
    assert found.refused == {2: "is of 'A', and not of --symbol 'XYZ': select with --symbols"}


@pytest.mark.parametrize(
    ("time", "options", "as_of", "interval"),
    [
        ("2020-01-02", {}, "2020-01-02T00:00", "1d"),
        ("2020-01-02", {"zone": NEW_YORK}, "2020-01-02T00:00", "1d"),
        ("2020-01-02", {"interval": "1w"}, "2020-01-02T00:00", "1w"),
        ("2020-01-02 09:30", {}, "2020-01-02T09:30", None),
        ("2020-01-02 09:30", {"zone": NEW_YORK}, "2020-01-02T14:30", None),
        ("2020-01-02 09:30-05:00", {"zone": ZoneInfo("Asia/Tokyo")}, "2020-01-02T14:30", None),
        ("2020-01-02 09:30", {"interval": "5m"}, "2020-01-02T09:35", "5m"),
        ("2020-01-02 09:30", {"interval": "1h", "zone": NEW_YORK}, "2020-01-02T15:30", "1h"),
        ("2020-01-02 09:30", {"interval": "1h", "stamp": Stamp.END}, "2020-01-02T09:30", "1h"),
        ("1577957400", {"interval": "1h"}, "2020-01-02T10:30", "1h"),
        ("1577957400", {"interval": "1d"}, "2020-01-02T00:00", "1d"),
        ("2020-01-02 00:00:00-05:00", {"interval": "1d"}, "2020-01-02T00:00", "1d"),
        ("2020-01-02 00:00:00+09:00", {"interval": "1d"}, "2020-01-02T00:00", "1d"),
        ("2020-01-02 16:00", {"interval": "1d", "zone": NEW_YORK}, "2020-01-02T00:00", "1d"),
        ("1577941200", {"interval": "1d", "zone": ZoneInfo("Asia/Tokyo")}, "2020-01-02T00:00", "1d"),
        ("02/01/2020", {"date_format": "%d/%m/%Y"}, "2020-01-02T00:00", "1d"),
        ("01/02/2020", {"date_format": "%m/%d/%Y"}, "2020-01-02T00:00", "1d"),
        ("2-Jan-20", {"date_format": "%d-%b-%y"}, "2020-01-02T00:00", "1d"),
        ("2 Jan 2020 09:30", {"date_format": "%d %b %Y"}, "2020-01-02T09:30", None),
        ("02/01/2020 09:30", {"date_format": "%d/%m/%Y %H:%M", "zone": NEW_YORK}, "2020-01-02T14:30", None),
        ("01/02/2020 9:30 AM", {"date_format": "%m/%d/%Y %I:%M %p"}, "2020-01-02T09:30", None),
        ("02/01/2020 09:30 -0500", {"date_format": "%d/%m/%Y %H:%M %z"}, "2020-01-02T14:30", None),
    ],
)
def test_times_of_quotes_and_bars(
    read: Read, time: str, options: dict[str, object], as_of: str, interval: str | None
) -> None:
    found = read("time,symbol,close", f"{time},XYZ,1", **options)
    assert found.refused == {}
    assert (found.times, [row.interval for row in found.rows]) == ([as_of], [interval])


@pytest.mark.parametrize(
    ("time", "options", "reason"),
    [
        ("2020-01-02", {"interval": "1h"}, "has no time of day, which bars of 1h need"),
        ("2024-03-10 02:30", {"zone": NEW_YORK}, "does not exist in America/New_York: the clock was put forward"),
        ("2020-01-02", {"date_format": "%d/%m/%Y"}, r"'2020-01-02' is not of the form %d/%m/%Y \(--date-format\)"),
        ("9999-12-31 23:59", {"interval": "5m"}, "outside the years|in the future"),
    ],
)
def test_times_that_cannot_be_are_refused(read: Read, time: str, options: dict[str, object], reason: str) -> None:
    found = read("time,symbol,close", f"{time},XYZ,1", **options)
    assert found.rows == []
    assert re.search(reason, found.refused[2])


def test_date_and_time_have_their_own_columns_and_the_format_is_for_the_date(read: Read) -> None:
    found = read("Date,Time,Symbol,Close", "02/01/2020,09:30:00,XYZ,1", date_format="%d/%m/%Y", zone=NEW_YORK)
    assert found.times == ["2020-01-02T14:30"]


UP_AND_DOWN = [
    (["00:30", "01:00", "01:30", "01:00", "01:30", "02:00"], ["04:30", "05:00", "05:30", "06:00", "06:30", "07:00"]),
    (["02:00", "01:30", "01:00", "01:30", "01:00", "00:30"], ["07:00", "06:30", "06:00", "05:30", "05:00", "04:30"]),
    (["01:30", "01:30"], ["05:30", "06:30"]),
    (["01:30"], ["05:30"]),
]


@pytest.mark.parametrize(("local", "utc"), UP_AND_DOWN)
def test_the_second_of_two_equal_hours_is_told_by_the_order(read: Read, local: list[str], utc: list[str]) -> None:
    symbols = ("A", "B")
    lines = [f"2024-11-03 {time},{symbol},1" for time in local for symbol in symbols]
    found = read("time,symbol,close", *lines, zone=NEW_YORK)
    for symbol in symbols:
        assert [f"{row.as_of:%H:%M}" for row in found.rows if row.symbol == symbol] == utc


def test_our_own_csv_is_read_back(read: Read) -> None:
    written = io.StringIO()
    rows = csv.writer(written)
    rows.writerow(["symbol", "as_of", "price", "currency", "volume", "provider", "observed_at", "interval"])
    for hour, interval in (("09:30", ""), ("00:00", "1d"), ("10:00", "60m"), ("11:00", "x")):
        as_of, observed_at = f"2020-01-02T{hour}:00.000000Z", "2020-01-02T09:30:01.000000Z"
        rows.writerow(["'-X", as_of, "12.5", "USD", "7", "'=1+1", observed_at, interval])
    found = read(content=written.getvalue().encode())
    assert {(row.symbol, str(row.price), row.currency, row.volume) for row in found.rows} == {("-X", "12.5", "USD", 7)}
    assert found.times == ["2020-01-02T09:30", "2020-01-02T00:00", "2020-01-02T10:00"]
    assert [row.interval for row in found.rows] == [None, "1d", "1h"]
    assert found.refused == {5: "'x' is not the length of a bar such as 5m, 1h or 1d"}
