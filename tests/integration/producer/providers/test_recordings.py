"""Recorded prices: reading a file, and playing it back with the replay provider."""

import gzip
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from producer.providers.base import Quote
from producer.providers.recordings import InvalidRow, RecordedPrice, Recording
from producer.providers.replay import ReplayProvider
from shared.errors import ProviderError, SettingsError

DAY = datetime(2020, 1, 2, tzinfo=UTC)

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write these lines as a CSV file, gzipped if its name ends with .gz."""

    def written(*lines: str, name: str = "prices.csv") -> Path:
        path = tmp_path / name
        text = "\n".join(lines).encode() + b"\n"
        path.write_bytes(gzip.compress(text, mtime=0) if name.lower().endswith(".gz") else text)
        return path

    return written


def read(path: Path) -> list[RecordedPrice | InvalidRow]:
    with Recording(path) as recording:
        return list(recording.rows())


@pytest.mark.parametrize("name", ["prices.csv", "prices.csv.gz", "PRICES.CSV.GZ"])
def test_a_row_is_read_digit_for_digit(write: Write, name: str) -> None:
    path = write(
        "Symbol,DATE,open,high,low,Close,volume,currency,previous_close",
        "BRK.B,2020-01-02,1.10,2,0.5,1234567890.12345,1000.0,usd,",
        name=name,
    )
    assert read(path) == [
        RecordedPrice(
            line=2,
            symbol="BRK.B",
            as_of=DAY,
            price=Decimal("1234567890.12345"),
            currency="USD",
            volume=1000,
            open=Decimal("1.1"),
            high=Decimal(2),
            low=Decimal("0.5"),
            previous_close=None,
        )
    ]


@pytest.mark.parametrize(
    ("columns", "fields", "as_of"),
    [
        ("date", "2020-01-02", DAY),
        ("as_of", "2020-01-02T09:30:00Z", DAY.replace(hour=9, minute=30)),
        ("timestamp", "2020-01-02 09:30:00.25", DAY.replace(hour=9, minute=30, microsecond=250_000)),
        ("datetime", "2020-01-02T09:30:00-05:00", DAY.replace(hour=14, minute=30)),
        ("time", "2020-01-02T09:30", DAY.replace(hour=9, minute=30)),
        ("date,time", "2020-01-02,09:30", DAY.replace(hour=9, minute=30)),
    ],
)
def test_a_time_without_offset_is_utc_and_a_date_is_midnight(
    write: Write, columns: str, fields: str, as_of: datetime
) -> None:
    [row] = read(write(f"symbol,price,{columns}", f"AAPL,1,{fields}"))
    assert isinstance(row, RecordedPrice)
    assert row.as_of == as_of


def test_the_apostrophe_of_a_spreadsheet_is_not_a_part_of_the_symbol(write: Write) -> None:
    [row] = read(write("symbol,date,price", "'-SPREAD,2020-01-02,1"))
    assert isinstance(row, RecordedPrice)
    assert row.symbol == "-SPREAD"


def test_the_price_column_wins_over_the_close_column(write: Write) -> None:
    [row] = read(write("date,symbol,close,price", "2020-01-02,AAPL,1,2"))
    assert isinstance(row, RecordedPrice)
    assert row.price == 2


@pytest.mark.parametrize(
    ("invalid", "reason"),
    [
        ("2020-01-02,AAPL,,1,5", "close is missing"),
        ("2020-01-02,AAPL,abc,1,5", "close 'abc' is not a decimal number"),
        ("2020-01-02,AAPL,-1,1,5", "close '-1' is negative"),
        ("2020-01-02,AAPL,0,1,5", "close must be more than zero"),
        ("2020-01-02,AAPL,nan,1,5", "close 'nan' is not"),
        ("2020-01-02,AAPL,1e5,1,5", "close '1e5' is not"),
        ("2020-01-02,AAPL,1.2345678901234567,1,5", "more than 15 significant digits"),
        ("2020-01-02,AAPL,1,x,5", "open 'x' is not"),
        ("2020-01-02,AAPL,1,1,many", "volume 'many' is not a whole number"),
        ("2020-01-02,A*,1,1,5", "symbol 'A*' is not"),
        ("soon,AAPL,1,1,5", "time 'soon' is not a date or time"),
        ("2020-13-02,AAPL,1,1,5", "time '2020-13-02' is not"),
        ("2999-01-01,AAPL,1,1,5", "time '2999-01-01' is in the future"),
        ("2020-01-02,AAPL,1", "has 3 fields, the header has 5"),
        ('2020-01-02,AAPL,"1,5",1,5,6', "has 6 fields, the header has 5"),
    ],
)
def test_an_invalid_row_is_reported_and_its_neighbours_are_read(write: Write, invalid: str, reason: str) -> None:
    path = write(
        "date,symbol,close,open,volume", "2020-01-02,A,1,1,5", invalid, "", "2020-01-02,B,1,,", name="x.csv.gz"
    )
    first, middle, last = read(path)
    assert isinstance(first, RecordedPrice)
    assert isinstance(last, RecordedPrice)
    assert isinstance(middle, InvalidRow)
    assert (first.line, middle.line, last.line) == (2, 3, 5)
    assert reason in middle.reason


def test_an_endless_field_is_one_invalid_row(write: Write) -> None:
    path = write("date,symbol,close", f'2020-01-02,"{"A" * 200_000}",1', "2020-01-02,B,1")
    first, last = read(path)
    assert isinstance(first, InvalidRow)
    assert isinstance(last, RecordedPrice)


def test_a_byte_order_mark_is_skipped(tmp_path: Path) -> None:
    (tmp_path / "excel.csv").write_bytes(b"\xef\xbb\xbfsymbol,date,price\r\nAAPL,2020-01-02,1\r\n")
    assert len(read(tmp_path / "excel.csv")) == 1


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("missing.csv", None, "missing.csv cannot be read: No such file"),
        ("folder.csv", ..., "folder.csv cannot be read: Is a directory"),
        ("plain.csv.gz", b"date,symbol,close\n", "plain.csv.gz is not a gzip file"),
        ("empty.csv", b"", "needs the columns symbol, price .* its first line has: nothing"),
        ("columns.csv", b"date,ticker,close\n2020-01-02,A,1\n", "needs the columns .* has: date, ticker, close"),
        ("latin.csv", b"date,symb\xe9l,close\n2020-01-02,A,1\n", "latin.csv is not UTF-8 text"),
        ("packed.csv", gzip.compress(b"date,symbol,close\n", mtime=0), "packed.csv is not UTF-8 text"),
        ("cut.csv.gz", gzip.compress(b"date,symbol,close\n2020-01-02,A,1\n", mtime=0)[:-12], "cut.csv.gz is cut off"),
        ("hurt.csv.gz", gzip.compress(b"date,symbol,close\n", mtime=0)[:10] + b"\xff" * 40, "hurt.csv.gz is damaged"),
    ],
)
def test_a_file_that_cannot_be_read_is_one_line(tmp_path: Path, name: str, content: object, message: str) -> None:
    path = tmp_path / name
    if content is ...:
        path.mkdir()
    elif isinstance(content, bytes):
        path.write_bytes(content)
    with pytest.raises(SettingsError, match=message) as caught:
        read(path)
    assert "\n" not in str(caught.value)


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


# Not in order of time, like a file sorted by symbol.
STEPS = (
    "date,symbol,close",
    "2020-01-03,AAPL,12",
    "2020-01-02,AAPL,11",
    "2020-01-02,MSFT,21",
    "2020-01-03,MSFT,22",
    "2020-01-01,IBM,31",
    "2020-01-04,MSFT,23",
    "2020-01-04,AAPL,x",
)


class Player:
    """Plays a file with a new provider for every sync, as a worker does; returns prices or reasons by symbol."""

    def __init__(self, file: Path) -> None:
        self.cursor = file.parent / "var" / "replay.json"
        self.file = file
        self.at = datetime(2026, 11, 20, tzinfo=UTC)

    def play(self, *symbols: str, later: int = 60) -> dict[str, str]:
        self.at += timedelta(seconds=later)
        answers = ReplayProvider(self.file, self.cursor).quotes(symbols or ("AAPL", "MSFT"), self.at)
        return {
            symbol: str(answer.price) if isinstance(answer, Quote) else str(answer)
            for symbol, answer in answers.items()
        }


@pytest.fixture
def player(write: Write) -> Player:
    return Player(write(*STEPS, name="steps.csv.gz"))


def test_each_sync_plays_the_next_step_and_a_retry_the_same(player: Player) -> None:
    assert player.play() == {"AAPL": "11", "MSFT": "21"}
    assert player.play() == {"AAPL": "12", "MSFT": "22"}
    assert player.play("MSFT", later=0) == {"MSFT": "22"}
    assert player.play("AAPL", later=0) == {"AAPL": "12"}
    assert player.play("IBM", later=0) == {"IBM": "steps.csv.gz has no price of IBM at 2020-01-03T00:00:00Z"}


def test_an_invalid_row_affects_only_its_symbol(player: Player) -> None:
    player.play()
    player.play()
    played = player.play()
    assert played["MSFT"] == "23"
    assert played["AAPL"] == "steps.csv.gz has no price of AAPL at 2020-01-04T00:00:00Z"


def test_every_sync_after_the_end_of_the_recording_fails(player: Player) -> None:
    for _ in range(3):
        player.play()
    for _ in range(2):
        with pytest.raises(ProviderError, match=r"has no prices after 2020-01-04T00:00:00Z: delete .*replay.json"):
            player.play()


def test_symbols_that_are_not_in_the_recording_are_an_error(player: Player) -> None:
    with pytest.raises(ProviderError, match="has no price of any symbol on the watch list"):
        player.play("META")


@pytest.mark.parametrize("content", ["", "{", "[]", '{"file": 1}', "\x00", '{"file": "FILE", "at": 5, "step": 7}'])
def test_a_damaged_cursor_starts_from_the_beginning(player: Player, content: str) -> None:
    player.play()
    player.cursor.write_text(content.replace("FILE", str(player.file)))
    assert player.play() == {"AAPL": "11", "MSFT": "21"}


def test_a_file_that_cannot_be_read_is_a_failure_of_the_provider(player: Player) -> None:
    player.file.unlink()
    with pytest.raises(ProviderError, match=r"steps\.csv\.gz cannot be read"):
        player.play()


def test_another_file_is_played_from_its_beginning(player: Player, write: Write) -> None:
    player.play()
    player.play()
    player.file = write("date,symbol,close", "2019-01-01,AAPL,1")
    assert player.play("AAPL") == {"AAPL": "1"}


def test_an_invalid_byte_and_an_unclosed_quote_spoil_only_their_rows(tmp_path: Path) -> None:
    path = tmp_path / "prices.csv"
    path.write_bytes(
        b'date,symbol,close\n2020-01-02,A,1\n2020-01-02,\xe9,2\n2020-01-02,B,"3\n2020-01-02,C,4\n2020-01-02,D,"5"\n'
    )
    found = read(path)
    assert [row.symbol for row in found if isinstance(row, RecordedPrice)] == ["A", "C", "D"]
    assert [row.line for row in found if isinstance(row, InvalidRow)] == [3, 4]
