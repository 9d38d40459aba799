"""Recorded prices played back with the provider `replay`."""

import gzip
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from producer.providers.base import Quote
from producer.providers.replay import ReplayProvider
from shared.errors import ProviderError

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


def test_a_file_is_read_as_the_command_reads_it(player: Player, write: Write) -> None:
    player.file = write("<DATE>;<TIME>;<TICKER>;<CLOSE>", "2020.01.02;09:00;aapl;1.131,5", "2020.01.02;09:00;AMpB;2")
    assert player.play("AAPL", "AMPB") == {
        "AAPL": "1131.5",
        "AMPB": "prices.csv has no price of AMPB at 2020-01-02T09:00:00Z",
    }


def test_a_date_without_a_time_is_a_bar_and_a_time_a_quote(player: Player, write: Write) -> None:
    player.file = write("date,symbol,close", "2020-01-02,AAPL,1", "2020-01-02T09:30Z,AAPL,2")
    provider = ReplayProvider(player.file, player.cursor)
    answers = [provider.quotes(["AAPL"], player.at + timedelta(minutes=minute))["AAPL"] for minute in range(2)]
    assert [answer.interval for answer in answers if isinstance(answer, Quote)] == ["1d", None]


def test_a_file_that_needs_options_says_that_the_provider_takes_none(player: Player, write: Write) -> None:
    player.file = write("date,close", "2020-01-02,1")
    with pytest.raises(ProviderError, match=r"names no symbol: give it with --symbol .* takes no options, only"):
        player.play("AAPL")


def test_the_log_has_the_first_refused_rows_only(
    player: Player, write: Write, caplog: pytest.LogCaptureFixture
) -> None:
    player.file = write("date,symbol,close", "2020-01-02,AAPL,1", *("2020-01-02,AAPL,x" for _ in range(50)))
    assert player.play("AAPL") == {"AAPL": "1"}
    assert len(caplog.records) == 10
