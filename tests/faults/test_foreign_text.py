"""Text from outside is escaped in logs, tables and CSV: it forges no line, moves no cursor and runs no formula."""

import csv
import io
import json
import logging
from pathlib import Path

from celery import signals

from producer.celery_app import app
from shared.messaging.messages import Message, price_message
from shared.messaging.topology import EXCHANGE
from tests.event_factories import AS_OF, stock_data
from tests.faults.ledger import PromiseBroken
from tests.faults.markers import control
from tests.faults.pipeline import SABOTAGED, Pipeline
from tests.processes import Process, copy_checkout, running, stockwire, until
from tests.queues import declare, publish
from tests.tls_servers import answering, plain

FORGED = "2026-11-25T10:00:00Z INFO    history: stored everything"
HOSTILE = f"\x1b]0;owned\x07\x9b31m\u202e\r\n{FORGED}"
FORMULA = "=HYPERLINK(A1)"


def hostile_message() -> Message:
    """Return an invalid message with control characters in every part of it."""
    properties = {"message_id": HOSTILE, "type": HOSTILE, "headers": {HOSTILE: HOSTILE, "x-stockwire-died-at": HOSTILE}}
    return Message(EXCHANGE, f"stock.{HOSTILE}.price", HOSTILE.encode(), properties)


def check_text(text: str) -> None:
    if not text.replace("\n", "").isprintable():
        raise PromiseBroken(f"there are control characters in {text!r}")
    if any(line.startswith(FORGED) for line in text.splitlines()):
        raise PromiseBroken(f"there is a forged line in {text!r}")


def publish_to(pipeline: Pipeline, consumer: list[str]) -> Process:
    """Publish the hostile message to a running consumer, wait until it is logged, and return the stopped consumer."""
    with running(*consumer, environment=pipeline.environment) as process:
        process.wait_for("consuming")
        publish(pipeline.address, hostile_message())
        process.wait_for("owned")
        assert process.stop() == 0
    return process


def test_no_log_line_and_no_dead_letter_shows_control_characters(pipeline: Pipeline) -> None:
    check_text(publish_to(pipeline, ["python", "-m", "consumers", "history"]).output)
    for words in (
        ["list", "history"],
        ["list", "history", "--format", "csv"],
        ["list", "history", "--format", "json"],
        ["show", "history"],
    ):
        done = stockwire("dead", *words, environment=pipeline.environment)
        assert done.returncode == 0, done.stderr
        assert "owned" in done.stdout
        check_text(done.stdout)
    [row] = json.loads(
        stockwire("dead", "list", "history", "--format", "json", environment=pipeline.environment).stdout
    )
    assert row["message_id"] == HOSTILE


@control
def test_control_of_the_log(pipeline: Pipeline) -> None:
    check_text(publish_to(pipeline, pipeline.command(f"{SABOTAGED}:history_with_raw_log")).output)


def test_tail_prints_no_control_characters(pipeline: Pipeline) -> None:
    declare(pipeline.address)
    check_text(publish_to(pipeline, ["python", "-m", "consumers", "tail"]).output)


def test_the_error_of_a_sync_shows_no_control_character_of_a_server(pipeline: Pipeline, tmp_path: Path) -> None:
    pipeline.declare("history")
    status = f"HTTP/1.1 500 \x1b]0;owned\x07\x9b31m {'x' * 10_000}\r\n".encode("latin-1")
    with answering(plain(status + b"Content-Length: 6\r\nConnection: close\r\n\r\n\x1b[2Jab")) as port:
        environment = {
            **pipeline.environment,
            "STOCKWIRE_PROVIDER": "twelvedata",
            "STOCKWIRE_TWELVEDATA_URL": f"http://127.0.0.1:{port}",
            "STOCKWIRE_TWELVEDATA_KEY": "key",
        }
        done = stockwire("sync", "AAPL", environment=environment, folder=copy_checkout(tmp_path))
    assert done.returncode == 1
    assert "HTTP 500" in done.stderr
    assert "owned" in done.stderr
    assert len(done.stderr) < 1000
    check_text(done.stderr)


def test_a_spreadsheet_runs_no_formula_of_a_stranger(pipeline: Pipeline) -> None:
    pipeline.declare("history")
    with pipeline.consuming("history"):
        publish(pipeline.address, price_message(stock_data("AAPL", "1.5", AS_OF, FORMULA)))
        until(pipeline.stored, "the price")
    done = stockwire("history", "AAPL", "--format", "csv", environment=pipeline.environment)
    [row] = csv.DictReader(done.stdout.splitlines())
    assert (row["provider"], row["price"]) == (f"'{FORMULA}", "1.5")


def test_the_log_of_celery_shows_no_control_characters() -> None:
    written = io.StringIO()
    logger = logging.getLogger("test.celery")
    app.log.setup_handlers(logger, written, app.conf.worker_log_format, colorize=False)
    signals.after_setup_logger.send(None, logger=logger, loglevel=logging.INFO, logfile=None)
    logger.error("Received unregistered task of type %s.\n", HOSTILE)
    logger.handlers.clear()
    assert "owned" in written.getvalue()
    check_text(written.getvalue())
