"""A process that sends, killed again and again: every alert arrives, in order, and those that repeat have their id."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from sqlalchemy.engine import make_url

from consumers.alerts.notifications.signing import generate_secret
from consumers.alerts.tables import SCHEMA
from shared.database.engine import opened
from shared.database.schema import create_schema
from shared.settings import ROOT
from shared.times import utc_now
from tests.fake_http_server import Answer, always, fake_http_server
from tests.integration.consumers.alerts.notifications.conftest import Outbox
from tests.polling import eventually
from tests.webhook_receiver import first_of_each, ids, verify

SENDER = """
import sys, time
from sqlalchemy.engine import make_url
from consumers.alerts.notifications.sender import Sender

with Sender(make_url(sys.argv[1])):
    time.sleep(600)
"""


def start(url: str) -> "subprocess.Popen[bytes]":
    return subprocess.Popen([sys.executable, "-c", SENDER, url], cwd=ROOT, env=os.environ | {"NO_PROXY": "*"})


def test_kills_lose_no_alert_and_change_neither_order_nor_ids(tmp_path: Path) -> None:
    url, secret = f"sqlite:///{tmp_path / 'test.db'}", generate_secret()
    with opened(make_url(url)) as engine, fake_http_server(always(Answer("ok", delay=0.005))) as server:
        create_schema(engine, SCHEMA)
        outbox = Outbox(engine)
        outbox.now = utc_now()
        outbox.add_target("hook", server.url, secret=secret)
        queued = outbox.queue(120, "hook")
        for kill in range(3):
            process = start(url)
            try:
                # The first messages of this process: the next one starts at once, without waiting for a lock.
                wanted = len(server.requests) + 20
                eventually(lambda wanted=wanted: len(server.requests) >= wanted or "pending" not in outbox.states())
                if kill == 2:
                    eventually(lambda: set(outbox.states()) == {"sent"})
            finally:
                process.send_signal(signal.SIGKILL)
                process.wait()
        assert first_of_each(server.requests) == queued
        assert len(ids(server.requests)) < len(queued) + 3 * 25
        for request in server.requests:
            verify(request, secret)
