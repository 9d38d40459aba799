"""Files of recorded prices in the shapes that people have: layouts, packing and encodings."""

import bz2
import gzip
import io
import lzma
import os
import zipfile
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest

from producer.recordings.reader import Recording
from producer.recordings.rows import RecordedPrice
from shared.errors import SettingsError
from tests.recordings import DAY, Read


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
