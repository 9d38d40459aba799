"""Consumers that log the attempts and the id of each delivery to a file, which survives a kill -9.

Started as any consumer of a user: `./stockwire consume tests.faults.delivery_log:history`.
"""

import os
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from consumers.alerts.handler import alerts as real_alerts
from consumers.history.handler import history as real_history
from shared.messaging.consumer import Consumer
from shared.messaging.messages import Delivery

DELIVERIES = "FAULTS_DELIVERIES"


def log_deliveries(consumer: Consumer) -> Consumer:
    """Return the consumer with a log of its deliveries in `<FAULTS_DELIVERIES>/<name>`, written before decoding."""

    def decode(delivery: Delivery, now: datetime) -> Any:
        os.write(_ledger(consumer.name), f"{delivery.attempts} {delivery.id}\n".encode())
        return consumer.decode(delivery, now)

    return replace(consumer, decode=decode)


def read_deliveries(folder: Path, name: str) -> list[str]:
    """Return the ids of all deliveries."""
    return [line.partition(" ")[2] for line in _read_lines(folder, name)]


def read_last_attempts(folder: Path, name: str) -> int:
    """Return how often the latest message was delivered before, or 0 if there is none."""
    return next((int(line.partition(" ")[0]) for line in reversed(_read_lines(folder, name))), 0)


def _read_lines(folder: Path, name: str) -> list[str]:
    path = folder / name
    return path.read_text().splitlines() if path.exists() else []


_open: dict[str, int] = {}


def _ledger(name: str) -> int:
    if name not in _open:
        path = Path(os.environ[DELIVERIES]) / name
        _open[name] = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    return _open[name]


history = log_deliveries(real_history)
alerts = log_deliveries(real_alerts)
