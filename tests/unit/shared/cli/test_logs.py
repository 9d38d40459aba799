import logging
from collections.abc import Iterator

import pytest

from shared.cli.logs import EscapingFormatter, set_up_logs

log = logging.getLogger("test")
FORGED = "id\n2026-11-25T10:00:00Z INFO    history: stopped\x1b[2K"


@pytest.fixture(autouse=True)
def same_logs_afterwards() -> Iterator[None]:
    root, amqpstorm = logging.getLogger(), logging.getLogger("amqpstorm")
    kept = root.handlers[:], root.level, amqpstorm.level
    yield
    root.handlers[:], root.level, amqpstorm.level = kept


def test_a_record_with_a_newline_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logs("history")
    log.warning("dead-lettered %s", FORGED)
    [line] = capsys.readouterr().err.splitlines()
    assert line.endswith(r"WARNING history: dead-lettered id\n2026-11-25T10:00:00Z INFO    history: stopped\x1b[2K")


def test_no_line_of_a_traceback_can_pass_for_a_record(capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logs("history", logging.DEBUG)
    try:
        raise ValueError(FORGED)
    except ValueError:
        log.debug("the decoder failed", exc_info=True)
    first, *rest = capsys.readouterr().err.splitlines()
    assert first.endswith("the decoder failed")
    assert rest[0] == "  Traceback (most recent call last):"
    assert all(line.startswith("  ") and line.isprintable() for line in rest)
    assert rest[-1] == r"  2026-11-25T10:00:00Z INFO    history: stopped\x1b[2K"


def test_another_handler_still_gets_the_record_as_it_was() -> None:
    record = logging.LogRecord("test", logging.INFO, __file__, 1, "%s", ("a\nb",), None)
    assert EscapingFormatter(logging.Formatter("%(message)s")).format(record) == r"a\nb"
    assert record.getMessage() == "a\nb"
