"""Files of recorded prices in the shapes that people have, each written as bytes and read row by row."""

import bz2
import csv
import gzip
import io
import lzma
import os
import re
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from producer.recordings.options import ReadingOptions, Stamp
from producer.recordings.reader import Recording
from producer.recordings.rows import InvalidRow, RecordedPrice
from shared.errors import SettingsError

DAY = datetime(2020, 1, 2, tzinfo=UTC)
NEW_YORK = ZoneInfo("America/New_York")


@dataclass
class Reading:
    """The rows of a file: prices by line, reasons by line, and the warnings."""

    rows: list[RecordedPrice] = field(default_factory=list)
    refused: dict[int, str] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)

    @property
    def prices(self) -> list[str]:
        return [str(row.price) for row in self.rows]

    @property
    def times(self) -> list[str]:
        return [f"{row.as_of:%Y-%m-%dT%H:%M}" for row in self.rows]


Read = Callable[..., Reading]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Write these lines or bytes as a file, and read it with these options."""

    def read(*lines: str, content: bytes | None = None, name: str = "prices.csv", **options: object) -> Reading:
        path = tmp_path / name
        path.write_bytes("".join(f"{line}\n" for line in lines).encode() if content is None else content)
        reading = Reading()
        made = ReadingOptions(**options)  # type: ignore[arg-type]
        with Recording(path, made, reading.warnings.append) as recording:
            for row in recording.rows():
                if isinstance(row, InvalidRow):
                    reading.refused[row.line] = row.reason
                else:
                    reading.rows.append(row)
            # The list of a zip file's contents stands behind them.
            assert recording.position == recording.size or path.read_bytes().startswith(b"PK")
        return reading

    return read


def test_a_row_is_read_digit_for_digit(read: Read) -> None:
    found = read(
        "Symbol,DATE,open,high,low,Close,volume,currency,previous_close",
        "BRK.B,2020-01-02,1.10,1234567891,0.5,1234567890.12345,1000.0,usd,",
    )
    assert found.rows == [
        RecordedPrice(
            line=2,
            symbol="BRK.B",
            as_of=DAY,
            price=Decimal("1234567890.12345"),
            currency="USD",
            volume=1000,
            open=Decimal("1.1"),
            high=Decimal(1234567891),
            low=Decimal("0.5"),
            previous_close=None,
            interval="1d",
        )
    ]


# The layouts of known sources. Each has the same price, 12.5 of XYZ.
LAYOUTS = {
    "Stockwire": ("symbol,as_of,price", "XYZ,2020-01-02T00:00:00Z,12.5"),
    "Kaggle": ("date,open,high,low,close,volume,Name", "2020-01-02,12,13,11,12.5,100,XYZ"),
    "Ticker": ("Date,Ticker,Close", "2020-01-02,XYZ,12.5"),
    "Symbol before Ticker before Name": ("Name,Ticker,Symbol,Date,Close", "A,B,XYZ,2020-01-02,12.5"),
    "Close before Close/Last": ("Date,Symbol,Close/Last,Close", "2020-01-02,XYZ,99,12.5"),
    "Close/Last before Last": ("Date,Symbol,Last,Close/Last", "2020-01-02,XYZ,99,12.5"),
    "Last before Price": ("Date,Symbol,Price,Last", "2020-01-02,XYZ,99,12.5"),
    "never an adjusted close": (
        "Date,Symbol,Adj Close,adjclose,adj_close,Adjusted Close,Close*,Close",
        "2020-01-02,XYZ,1,2,3,4,5,12.5",
    ),
    "MetaTrader 4 and 5": ("<TICKER>\t<DATE>\t<TIME>\t<CLOSE>", "XYZ\t2020.01.02\t00:00:00\t12.5"),
    "Stooq": ("<TICKER>,<PER>,<DATE>,<TIME>,<CLOSE>,<VOL>", "XYZ,D,20200102,000000,12.5,7"),
    "flat files": ("ticker,volume,open,close,window_start", "XYZ,7,12,12.5,1577923200000000000"),
    "Alpha Vantage": ("timestamp,symbol,1. open,4. close", "2020-01-02,XYZ,12,12.5"),
    "semicolons": ("Date;Symbol;Close", "2020-01-02;XYZ;12,5"),
    "semicolons and points": ("Date;Symbol;Close", "2020-01-02;XYZ;12.5"),
    "bars": ("Date|Symbol|Close", "2020-01-02|XYZ|12.5"),
    "tabs": ("Date\tSymbol\tClose", "2020-01-02\tXYZ\t12.5"),
    "sep=": ("sep=,", "date,symbol,close", "2020-01-02,XYZ,12.5"),
    "sep=;": ("sep=;", "date;symbol;close", "2020-01-02;XYZ;12,5"),
    "comments": ("# exported", '# "by someone', "date,symbol,close", "#2020-01-01,XYZ,9", "2020-01-02,XYZ,12.5"),
    "blank lines": ("", "date,symbol,close", "", "2020-01-02,XYZ,12.5", "  ", ",,"),
    "empty trailing fields": ("date,symbol,close,,", "2020-01-02,XYZ,12.5,,", "2020-01-02,XYZ,12.5"),
    "fields only the rows have": ("date,symbol,close", "2020-01-02,XYZ,12.5,,,"),
    "an index without a name": (",date,symbol,close", "0,2020-01-02,XYZ,12.5"),
    "a name with a line break": ('date,symbol,"a\nb",close', "2020-01-02,XYZ,,12.5"),
    "spaces": (" date , symbol , close ", " 2020-01-02 , XYZ , 12.5 "),
}


@pytest.mark.parametrize("lines", LAYOUTS.values(), ids=LAYOUTS.keys())
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_the_layouts_of_known_sources(read: Read, lines: tuple[str, ...], end: str) -> None:
    found = read(content=end.join([*lines, ""]).encode())
    assert found.refused == {}
    assert {(row.symbol, str(row.price), row.as_of) for row in found.rows} == {("XYZ", "12.5", DAY)}


def pack_gzip(content: bytes) -> bytes:
    return gzip.compress(content, mtime=0)


def pack_zip(*names: str, content: bytes = b"") -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in names:
            archive.writestr(name, content)
    return packed.getvalue()


PLAIN = b"date,symbol,close\n2020-01-02,XYZ,12.5\n"
# The packed data begins behind a header of 30 bytes and the name of 5.
HURT_ZIP = (whole := pack_zip("a.csv", content=PLAIN))[:35] + b"\xff" * 10 + whole[45:]
PACKED = {
    "gzip": pack_gzip(PLAIN),
    "two gzip members": pack_gzip(PLAIN[:20]) + pack_gzip(PLAIN[20:]),
    "an empty gzip member": pack_gzip(b"") + pack_gzip(PLAIN) + pack_gzip(b""),
    "gzip with zeros behind it": pack_gzip(PLAIN) + bytes(1000),
    "gzip, zeros and gzip": pack_gzip(PLAIN[:20]) + bytes(100_000) + pack_gzip(PLAIN[20:]),
    "bz2": bz2.compress(PLAIN),
    "two bz2 members": bz2.compress(PLAIN[:20]) + bz2.compress(PLAIN[20:]),
    "xz": lzma.compress(PLAIN),
    "two xz members": lzma.compress(PLAIN[:20]) + lzma.compress(PLAIN[20:]),
    "zip": pack_zip("prices.csv", content=PLAIN),
    "zip in a folder, from a Mac": pack_zip("a/", "a/prices.csv", "__MACOSX/a/._prices.csv", content=PLAIN),
    "none": PLAIN,
}


@pytest.mark.parametrize("content", PACKED.values(), ids=PACKED.keys())
@pytest.mark.parametrize("name", ["prices.csv", "prices.csv.gz"])
def test_packing_is_told_by_the_bytes_and_not_by_the_name(read: Read, content: bytes, name: str) -> None:
    found = read(content=content, name=name)
    assert (found.prices, found.refused, found.warnings) == (["12.5"], {}, [])


@pytest.mark.parametrize("pack", [pack_gzip, bz2.compress, lzma.compress])
@pytest.mark.parametrize("garbage", [b"\n", b"\x1f", b"B", b"garbage\n" * 100_000], ids=["one", "magic", "B", "much"])
def test_garbage_behind_packed_data_is_ignored_with_a_word(
    read: Read, pack: Callable[[bytes], bytes], garbage: bytes, tmp_path: Path
) -> None:
    with_garbage = pack(PLAIN) + garbage
    path = tmp_path / "prices.csv"
    path.write_bytes(with_garbage)
    warnings: list[str] = []
    with Recording(path, warn=warnings.append) as recording:
        assert len(list(recording.rows())) == 1
    assert warnings == [f"{path}: what follows the packed data is ignored"]


TEXTS = {
    "UTF-8 with a mark": ("utf-8-sig", None),
    "UTF-16": ("utf-16", None),
    "UTF-32": ("utf-32", None),
    "UTF-16 with a mark, and another encoding given": ("utf-16", "latin-1"),
    "Latin-1": ("latin-1", "latin-1"),
    "Windows": ("cp1252", "cp1252"),
    "UTF-16 without a mark": ("utf-16-le", "utf-16-le"),
}


@pytest.mark.parametrize(("encoding", "given"), TEXTS.values(), ids=TEXTS.keys())
def test_text_is_read_by_its_mark_or_with_an_encoding(read: Read, encoding: str, given: str | None) -> None:
    text = "Datum,Währung,symbol,date,close\n1,é,XYZ,2020-01-02,12.5\n"
    assert read(content=text.encode(encoding), encoding=given).prices == ["12.5"]


def test_text_of_another_encoding_names_the_byte_and_the_option(read: Read) -> None:
    text = "date,symbol,close,Währung\n2020-01-02,XYZ,12.5,EUR\n"
    with pytest.raises(
        SettingsError, match=r"line 1: byte 0xe4 is not UTF-8: give the encoding, such as --encoding latin-1"
    ):
        read(content=text.encode("latin-1"))


def test_an_invalid_byte_and_an_unclosed_quote_spoil_only_their_rows(read: Read) -> None:
    found = read(
        content=b'date,symbol,close\n2020-01-02,A,1\n2020-01-02,\xe9,2\n2020-01-02,B,"3\n2020-01-02,C,4\n'
        b'2020-01-02,D,"5"\n'
    )
    assert [row.symbol for row in found.rows] == ["A", "C", "D"]
    assert found.warnings == []
    assert found.refused == {
        3: "byte 0xe9 is not UTF-8: give the encoding, such as --encoding latin-1",
        4: "has a quote that is not closed",
    }


def test_a_byte_in_a_column_that_is_not_read_is_named_once(read: Read) -> None:
    found = read(content=b"date,symbol,close,name\n" + b"2020-01-02,A,1,Nestl\xe9\n" * 3)
    assert (found.prices, found.refused) == (["1", "1", "1"], {})
    assert [line.split(": ", 1)[1] for line in found.warnings] == [
        "line 2 is read, but not this column: byte 0xe9 is not UTF-8: give the encoding, such as --encoding latin-1"
    ]


def test_a_byte_that_the_given_encoding_does_not_know_is_named(read: Read) -> None:
    found = read(content=b"date,symbol,close\n2020-01-02,\x81,1\n", encoding="cp1252")
    assert found.refused == {2: "byte 0x81 is not cp1252: give the encoding, such as --encoding latin-1"}


# Names, contents (None for no file, ... for a folder) and errors.
UNREADABLE = [
    ("missing.csv", None, "missing.csv cannot be read: No such file"),
    ("folder.csv", ..., "folder.csv cannot be read: Is a directory"),
    ("empty.csv", b"", "empty.csv is empty"),
    ("empty.csv.gz", pack_gzip(b""), "empty.csv.gz is empty"),
    ("zeros.csv", bytes(300_000), "zeros.csv cannot be read: line 1 is longer than 65,536 characters"),
    ("few.csv", bytes(300), "few.csv is not a text file with prices: line 1 has control characters"),
    ("long.csv", b"a" * 200_000, "long.csv cannot be read: line 1 is longer than 65,536 characters"),
    (
        "latin.csv",
        b"date,symb\xe9l,close\n2020-01-02,A,1\n",
        "latin.csv cannot be read: line 1: byte 0xe9 is not UTF-8",
    ),
    ("cut.csv.gz", pack_gzip(PLAIN)[:-12], "cut.csv.gz is cut off after line"),
    ("cut.csv.bz2", bz2.compress(PLAIN)[:-12], "cut.csv.bz2 is cut off after line"),
    ("cut.csv.xz", lzma.compress(PLAIN)[:-12], "cut.csv.xz is cut off after line"),
    ("cut.zip", pack_zip("a.csv", content=PLAIN)[:-30], "cut.zip is cut off or damaged"),
    ("hurt.csv.gz", pack_gzip(PLAIN)[:10] + b"\xff" * 40, "hurt.csv.gz is damaged after line 0"),
    ("hurt.bz2", bz2.compress(PLAIN)[:10] + b"\xff" * 40, "hurt.bz2 is damaged after line 0"),
    ("sum.csv.gz", pack_gzip(PLAIN)[:-8] + bytes(8), "sum.csv.gz is damaged after line"),
    ("hurt.zip", HURT_ZIP, "hurt.zip is damaged after"),
    ("two.zip", pack_zip("a.csv", "b.csv", content=PLAIN), r"two.zip holds 2 files \('a.csv', 'b.csv'\): unpack"),
    ("none.zip", pack_zip(), "none.zip holds no file"),
    ("book.xlsx", pack_zip("[Content_Types].xml", "xl/workbook.xml"), "book.xlsx is an Excel .* save it as CSV"),
    ("prices.parquet", b"PAR1" + bytes(100), "prices.parquet is a Parquet file: give the prices as text"),
    ("prices.db", b"SQLite format 3\0" + bytes(100), "prices.db is a SQLite database"),
    ("twice.csv.gz", pack_gzip(pack_gzip(PLAIN)), "twice.csv.gz is not"),
]


@pytest.mark.parametrize(("name", "content", "message"), UNREADABLE, ids=[name for name, _, _ in UNREADABLE])
def test_a_file_that_cannot_be_read_is_one_line(tmp_path: Path, name: str, content: object, message: str) -> None:
    path = tmp_path / name
    if content is ...:
        path.mkdir()
    elif isinstance(content, bytes):
        path.write_bytes(content)
    with pytest.raises(SettingsError, match=message) as caught, Recording(path) as recording:
        list(recording.rows())
    assert "\n" not in str(caught.value)


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


def test_a_pipe_is_read(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.write(writing, pack_gzip(PLAIN))
    os.close(writing)
    try:
        with Recording(Path(f"/dev/fd/{reading}")) as recording:
            assert len(list(recording.rows())) == 1
            assert recording.position == 0
    finally:
        os.close(reading)


@pytest.mark.parametrize(
    ("prices", "expected"),
    [("real_prices", (5040, 20)), pytest.param("all_real_prices", (415_080, 504), marks=pytest.mark.slow)],
)
def test_every_real_price_is_read(request: pytest.FixtureRequest, prices: str, expected: tuple[int, int]) -> None:
    symbols = set()
    with Recording(request.getfixturevalue(prices)) as recording:
        count = 0
        for row in recording.rows():
            assert isinstance(row, RecordedPrice)
            symbols.add(row.symbol)
            count += 1
        assert recording.position == recording.size
    assert (count, len(symbols)) == expected
