"""Every command and program in README and docs, run in the order of its page beside a pipeline that is running."""

import itertools
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pytest

from infra.up.rabbitmq import free_port
from shared.events import decode_event
from shared.messaging.address import BrokerAddress
from shared.settings import load_settings
from shared.times import utc_now
from tests.celery_worker import results
from tests.documents import PAGES, README, Block, blocks
from tests.forked_processes import forked, stockwire
from tests.processes import Process, copy_checkout, running, until

# The reasons for which a block may stand in a page without being run, and what such a block must then contain.
NOT_RUN = {
    "needs Docker": r"docker compose",
    "needs a key": r"your-key",
    "needs the network": r"pip install",
    "needs PostgreSQL": r"postgresql\+psycopg://",
    "needs a broker of your own": r"permissions --apply",
    "takes minutes": r"\./stockwire (test|bench \w+)",
    "the pipeline runs already": r"\./stockwire up",
    "a test of its own calls a server": r"curl ",
}
RECEIVER_READY = "listening"
# Commands that run until they are stopped, by the beginning of the line, and what they print when they are ready.
FOREGROUND = {
    r"\./stockwire consume (?!--list)": "consuming",
    r"\./stockwire serve": "serving http://",
    r"\.venv/bin/python -m consumers (?!--list)": "consuming",
    r"\.venv/bin/python -m celery ": "ready.",
    r"\.venv/bin/python examples/webhook_receiver.py": RECEIVER_READY,
}
# The pages name the broker that most people have; here it is the private one of the tests.
DOCUMENTED_BROKER = "amqp://guest:guest@localhost:5672/"
# The port of the receiver of webhooks, which may be taken here.
DOCUMENTED_PORT = "8765"

BLOCKS = [block for page in PAGES for block in blocks(page)]
SKIPPED = [block for block in BLOCKS if block.comment.startswith("not run:")]
READY_TIMEOUT = 60.0
SAMPLE_TIMEOUT = 20.0


@pytest.fixture(scope="module")
def environment(module_broker: BrokerAddress, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Return settings with an empty virtual host, and a PATH with a `sqlite3` even if none is installed."""
    programs = tmp_path_factory.mktemp("programs")
    if shutil.which("sqlite3") is None:
        (programs / "sqlite3").write_text(f"#!{sys.executable}\n{_SQLITE3}")
        (programs / "sqlite3").chmod(0o755)
    return {"STOCKWIRE_AMQP_URL": module_broker.url(), "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}"}


@pytest.fixture(scope="module")
def checkout(environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The project as a fresh clone has it, in which README's first command is running."""
    folder = copy_checkout(tmp_path_factory.mktemp("docs"))
    [command] = next(block for block in blocks(README) if block.language == "sh").commands()
    assert command.startswith("./stockwire up")
    with running(*_words(command, folder), environment=environment, folder=folder) as up:
        # The first price and the first result, so that no command comes before them.
        up.wait_for("AAPL", READY_TIMEOUT)
        until(lambda: results(folder), "the result of the first sync")
        yield folder
        assert up.stop() == 0
    assert "Traceback" not in up.output


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_commands_of_a_page_run_in_their_order(page: Path, checkout: Path, environment: dict[str, str]) -> None:
    with ExitStack() as stack:
        session = _Session(checkout, dict(environment), stack)
        for block in blocks(page):
            if block.language == "sh" and block not in SKIPPED:
                session.run_commands(block)
            elif block.language == "python":
                session.run_program(block)
            elif block.language == "toml":
                session.save_file(block)
        session.stop_all()


@pytest.mark.parametrize(
    "block", [block for block in BLOCKS if block.language == "json"], ids=lambda block: block.place
)
def test_an_event_in_a_page_is_a_valid_event(block: Block) -> None:
    decode_event(block.text.encode(), utc_now())
    assert json.loads(block.text)["specversion"] == "1.0"


@pytest.mark.parametrize("block", [block for block in BLOCKS if block.language == "ini"], ids=lambda block: block.place)
def test_settings_in_a_page_can_be_used(block: Block, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(block.text)
    load_settings({}, tmp_path / ".env")


@pytest.mark.parametrize("block", SKIPPED, ids=lambda block: block.place)
def test_a_block_is_left_out_only_for_a_good_reason(block: Block) -> None:
    reason = block.comment.removeprefix("not run:").strip()
    assert reason in NOT_RUN, f"{block.place}: {reason!r} is none of {', '.join(NOT_RUN)}"
    assert re.search(NOT_RUN[reason], block.text), f"{block.place} does not say why it {reason}"


def test_every_block_has_a_language_that_is_run_or_shown() -> None:
    unknown = [
        block.place for block in BLOCKS if block.language not in {"sh", "python", "json", "toml", "ini", "text", "sql"}
    ]
    assert unknown == []


@pytest.mark.parametrize(
    ("output", "is_shown"),
    [
        ("AAPL  9.5  USD\nMSFT  10  USD\n", True),
        ("AAPL  9.5  EUR\n", False),
        ("AAPL  USD\n", False),
        ("", False),
    ],
)
def test_a_sample_may_differ_from_the_output_only_in_numbers_and_spaces(output: str, is_shown: bool) -> None:
    assert _contains(output, "AAPL  275.51  USD\n") is is_shown


class _Session:
    """A reader's terminals: commands run one after the other, and each command that keeps running has its own."""

    def __init__(self, folder: Path, environment: dict[str, str], stack: ExitStack) -> None:
        self._folder = folder
        self._environment = environment
        self._stack = stack
        self._foreground: list[tuple[Block, str, Process]] = []
        self._port = str(free_port())

    def run_commands(self, block: Block) -> None:
        for written in block.commands():
            command = written.replace(DOCUMENTED_PORT, self._port)
            if match := re.fullmatch(r"export (\w+)=(\S+)", command):
                self._environment[match[1]] = match[2].replace(
                    DOCUMENTED_BROKER, self._environment["STOCKWIRE_AMQP_URL"]
                )
            elif command.startswith("./stockwire up"):
                continue  # it runs already, for all pages
            elif _ready_text(command):
                self._start(block, command)
            else:
                output = self._run(block, command)
        if block.sample and not _ready_text(command):
            # The last command again and again: a price or an alert takes a moment to be stored.
            outputs = itertools.chain([output], (self._run(block, command) for _ in itertools.count()))
            _wait_for_sample(block, lambda: next(outputs))

    def run_program(self, block: Block) -> None:
        """Save the program under the name in its first line."""
        name = re.match(r"# (\w+\.py)\n", block.text)
        assert name, f"{block.place} does not begin with the name of its file"
        (self._folder / name[1]).write_text(block.text)

    def save_file(self, block: Block) -> None:
        """Save the text under the name in the comment above it."""
        match = re.fullmatch(r"saved as (\S+)", block.comment)
        assert match, f"{block.place} has no comment with the name of its file"
        (self._folder / match[1]).write_text(block.text)

    def stop_all(self) -> None:
        for block, command, process in self._foreground:
            process.wait_for(_ready_text(command), READY_TIMEOUT)
            _wait_for_sample(block, partial(getattr, process, "output"))
        for block, command, process in self._foreground:
            assert process.stop() == 0, f"{block.place}: {command}\n{process.output}"
            assert "Traceback" not in process.output

    def _start(self, block: Block, command: str) -> None:
        words = _words(command, self._folder)
        run = forked if block.page != README and Path(words[0]).name == "stockwire" else running
        process = self._stack.enter_context(run(*words, environment=self._environment, folder=self._folder))
        if _ready_text(command) == RECEIVER_READY:
            # The next commands send to it.
            process.wait_for(RECEIVER_READY, READY_TIMEOUT)
        self._foreground.append((block, command, process))

    def _run(self, block: Block, command: str) -> str:
        done = self._fork(command) if block.page != README and _is_plain(command) else self._run_in_shell(command)
        assert done.returncode == 0, f"{block.place}: {command}\n{done.stdout}{done.stderr}"
        assert "Traceback" not in done.stderr
        return done.stdout

    def _fork(self, command: str) -> "subprocess.CompletedProcess[str]":
        _, *words = shlex.split(command)
        return stockwire(*words, environment=self._environment, folder=self._folder, timeout=READY_TIMEOUT)

    def _run_in_shell(self, command: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            ["bash", "-c", command],
            cwd=self._folder,
            env={**os.environ, **self._environment},
            check=False,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=READY_TIMEOUT,
        )


def _wait_for_sample(block: Block, read_output: Callable[[], str]) -> None:
    deadline = time.monotonic() + SAMPLE_TIMEOUT
    while not _contains(output := read_output(), block.sample):
        assert time.monotonic() < deadline, f"{block.place} shows\n{block.sample}but the output is\n{output}"
        time.sleep(1)


def _contains(output: str, sample: str) -> bool:
    """Return True if every line of the sample is in the output, with any other numbers and any spaces."""
    return _shape(sample) <= _shape(output)


def _shape(text: str) -> set[str]:
    return {" ".join(re.sub(r"\d+(\.\d+)?", "0", line).split()) for line in text.splitlines()}


def _ready_text(command: str) -> str:
    return next((text for pattern, text in FOREGROUND.items() if re.match(pattern, command)), "")


def _is_plain(command: str) -> bool:
    """Return True for a command of ./stockwire without pipes, redirections or variables."""
    return command.startswith("./stockwire ") and not re.search(r"[|&;<>$*`]", command)


def _words(command: str, folder: Path) -> list[str]:
    """Return the words of a command, its program as a path in `folder`."""
    program, *arguments = shlex.split(command)
    return [str(folder / program), *arguments]


_SQLITE3 = """
import sqlite3, sys
for row in sqlite3.connect(sys.argv[1]).execute(sys.argv[2]):
    print("|".join(map(str, row)))
"""
