"""`replay` without a broker: what --check prints, wrong usage, and errors that come before a connection."""

import gzip
import io
import subprocess
import sys
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from infra.cli import cli
from producer.recordings.reader import Recording
from shared.settings import ROOT

Write = Callable[..., str]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def written(*lines: str) -> str:
        path = tmp_path / "prices.csv"
        path.write_text("".join(f"{line}\n" for line in lines))
        return str(path)

    return written


def replay(*words: str) -> Result:
    return CliRunner().invoke(cli, ["replay", *words], prog_name="stockwire")


def check(*words: str) -> Result:
    return replay(*words, "--check")


def test_a_check_shows_columns_rows_zone_and_refusals(write: Write) -> None:
    days = [f"2020-01-{day:02},aapl,{day},{day + 1}" for day in range(1, 9)]
    path = write("Date,Ticker,Close,High", *days, "soon,AAPL,1,1", "later,AAPL,1,1", "2020-01-09,A*,1,1")
    done = check(path, "--tz", "America/New_York")
    assert done.exit_code == 0, done.output
    lines = done.stdout.splitlines()
    assert lines[0] == "separator: comma; columns: symbol = 'Ticker', price = 'Close', time = 'Date', high = 'High'"
    assert lines[1] == "times without an offset: America/New_York"
    shown = [line.split()[:3] for line in lines[3:9]]
    assert shown == [[str(day + 1), "AAPL", f"2020-01-0{day}T00:00:00Z"] for day in (1, 2, 3, 6, 7, 8)]
    assert lines[9:] == [
        "rows that would be read: 8, refused: 3",
        (
            "2 refused, first in line 10: time 'soon' is not a date or time such as 2026-11-20, 2026-11-20T09:30Z,"
            " 20261120093000 or a Unix time; other forms are read with --date-format"
        ),
        "1 refused, first in line 12: symbol 'A*' is not 1-32 characters of A-Z 0-9 . - ^ = : / _ &",
    ]


def test_a_check_names_the_options_that_it_follows(write: Write) -> None:
    path = write("1;2020-01-02 09:30;1,5")
    done = check(path, "--no-header", "--columns", "time=2,close=3", "--symbol", "xyz", "--interval", "60m")
    assert done.exit_code == 0, done.output
    assert done.stdout.splitlines()[:4] == [
        "separator: semicolon; columns: price = 'column 3', time = 'column 2'",
        "symbol: XYZ",
        "times without an offset: UTC",
        "bars: 1h, as_of = time + 1h",
    ]
    assert "XYZ     2020-01-02T10:30:00Z  1h          1.5" in done.stdout


def test_a_check_of_a_truncated_file_shows_what_was_read_and_the_error(tmp_path: Path) -> None:
    path = tmp_path / "cut.csv.gz"
    rows = "".join(f"2020-01-02,S{number},1\n" for number in range(5000))
    path.write_bytes(gzip.compress(f"date,symbol,close\n{rows}".encode())[:-20])
    done = check(str(path))
    assert done.exit_code == 1
    assert ", refused: 0" in done.stdout
    assert done.exception is not None
    assert "is cut off after line" in str(done.exception)


NOTHING = {
    "only a header": (("date,symbol,close",), (), "has no rows"),
    "no match": (("date,symbol,close", "2020-01-02,A,1"), ("--symbols", "XYZ,ABC"), "has no rows of ABC, XYZ"),
    "mixed case": (("date,symbol,close", "2020-01-02,AMpB,1"), ("--symbols", "AMPB"), "has no rows of AMPB"),
}


@pytest.mark.parametrize(("lines", "options", "message"), NOTHING.values(), ids=NOTHING.keys())
def test_reading_nothing_is_an_error(
    write: Write, lines: tuple[str, ...], options: tuple[str, ...], message: str
) -> None:
    done = check(write(*lines), *options)
    assert done.exit_code == 1
    assert message in str(done.exception)


def test_a_file_of_refused_rows_only_exits_with_1(write: Write) -> None:
    done = check(write("date,symbol,close", "2020-01-02,A,x"))
    assert (done.exit_code, done.stderr) == (1, "")
    assert "rows that would be read: 0, refused: 1" in done.stdout


def test_symbols_that_are_not_all_there_are_named(write: Write) -> None:
    path = write("date,symbol,close", "2020-01-02,xyz,1", "2020-01-02,A,1")
    done = check(path, "--symbols", "XYZ,ABC,DEF")
    assert done.exit_code == 0
    assert done.stderr == f"{path} has no rows of ABC, DEF (--symbols)\n"
    assert "rows that would be read: 1, refused: 0" in done.stdout


def test_warnings_come_once_and_on_stderr(tmp_path: Path) -> None:
    path = tmp_path / "prices.csv.gz"
    rows = "date,symbol,close,currency\n" + "2020-01-02,A,1,USDT\n" * 5
    path.write_bytes(gzip.compress(rows.encode()) + b"garbage")
    done = check(str(path))
    assert done.exit_code == 0
    assert done.stderr == (
        f"{path}: what follows the packed data is ignored\n"
        f"{path}: currency 'USDT' is unknown: its prices have no currency\n"
    )


def test_text_of_a_file_is_printed_without_control_characters(write: Write) -> None:
    done = check(write("date,symbol,close,\x1b[31mx", "2020-01-02,A,1,", "2020-01-02,\x1b[31m,1,"))
    assert "\x1b" not in done.output


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--stamp", "end"), "needs --interval"),
        (("--stamp", "middle", "--interval", "1h"), "'middle' is not one of"),
        (("--interval", "often"), "is not the length of a bar"),
        (("--tz", "Mars/Base"), "is not a time zone such as America/New_York"),
        (("--date-format", "DD/MM"), "lacks year, month or day"),
        (("--encoding", "klingon"), "is not an encoding such as latin-1"),
        (("--symbol", "AMpB"), "mixes upper and lower case"),
        (("--columns", "price"), "is not NAME=COLUMN"),
    ],
)
def test_wrong_usage_exits_with_2(options: tuple[str, ...], message: str) -> None:
    done = replay("prices.csv", *options)
    assert done.exit_code == 2
    assert message in " ".join(done.stderr.split())


def test_there_is_no_progress_bar_where_stderr_is_not_a_terminal(write: Write) -> None:
    path = write("date,symbol,close", *(f"2020-01-02,S{number},1" for number in range(20_000)))
    done = subprocess.run(
        [sys.executable, "-m", "infra", "replay", path, "--check"],
        cwd=ROOT,
        env={"PATH": "/usr/bin:/bin", "FORCE_COLOR": "1", "CLICOLOR_FORCE": "1", "TTY_COMPATIBLE": "1"},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stderr == ""
    assert "\x1b" not in done.stdout


def test_a_bomb_does_not_fill_the_memory(tmp_path: Path) -> None:
    packed = io.BytesIO()
    with gzip.GzipFile(fileobj=packed, mode="wb", compresslevel=1) as file:
        file.write(b"date,symbol,close\n2020-01-02,A,1\n")
        for _ in range(20):
            file.write(bytes(1 << 20))
        file.write(b'\n2020-01-02,"' + b"x\n" * 5_000 + b"\n2020-01-02,B,2\n")
    path = tmp_path / "bomb.csv.gz"
    path.write_bytes(packed.getvalue())
    tracemalloc.start()
    try:
        with Recording(path) as recording:
            count = sum(1 for _ in recording.rows())
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert count > 2
    assert peak < 4 << 20, f"{peak / (1 << 20):.1f} MB"


@pytest.mark.slow
def test_a_long_file_takes_at_most_64_mb(tmp_path: Path) -> None:
    path = tmp_path / "long.csv"
    with path.open("w") as file:
        file.write("time,symbol,open,high,low,close,volume\n")
        for number in range(1_000_000):
            price = f"{number % 9973 + 1}.{number % 9901:04}"
            file.write(f"{1_577_923_200 + number},S{number % 5000},{price},{price},{price},{price},{number}\n")
    measured = (
        "import resource, subprocess, sys; subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL);"
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    )
    command = [sys.executable, "-c", measured, sys.executable, "-m", "infra", "replay", str(path), "--check"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=300)
    assert int(done.stdout) < 64 * 1024
