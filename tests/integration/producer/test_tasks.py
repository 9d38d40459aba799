"""The task on its own: what it waits for and for how long, without a worker that calls it."""

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from producer import tasks
from producer.market_service import SyncReport, sync_lock
from shared.schedule import Schedule
from shared.settings import Settings
from shared.times import utc_now
from tests.factories import stock_data


class Again(Exception):
    """A retry, by what it was asked for."""

    def __init__(self, asked: Mapping[str, Any]) -> None:
        self.asked = asked


@dataclass
class FakeTask:
    """What a worker hands to the task as itself."""

    settings: Settings = field(default_factory=Settings)
    retries: int = 0

    @property
    def app(self) -> Any:
        return SimpleNamespace(conf=SimpleNamespace(stockwire=self.settings))

    @property
    def request(self) -> Any:
        return SimpleNamespace(retries=self.retries, delivery_info={})

    def retry(self, **asked: Any) -> Again:
        return Again(asked)

    def run(self, **arguments: Any) -> dict[str, Any]:
        outcome: dict[str, Any] = tasks.sync.run.__func__(self, **arguments)
        return outcome


@pytest.fixture
def reports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[SyncReport]:
    """What the syncs come to, one after the other."""
    found: list[SyncReport] = []
    monkeypatch.setattr(tasks, "VAR", tmp_path)
    monkeypatch.setattr(tasks, "run_sync", lambda *_: found.pop(0))
    return found


@pytest.mark.parametrize(("hours", "countdown"), [(1 / 60, 60), (3, 600)])
def test_a_limit_is_waited_for_by_and_by(reports: list[SyncReport], hours: float, countdown: float) -> None:
    until = utc_now() + timedelta(hours=hours)
    reports.append(SyncReport({}, {"AAPL": "is left"}, limited={"AAPL": until}))
    task = FakeTask(Settings(schedule=Schedule.parse("1d")), retries=40)
    with pytest.raises(Again) as again:
        task.run(symbols=["AAPL"])
    assert again.value.asked["countdown"] == pytest.approx(countdown, abs=1)
    assert again.value.asked["kwargs"]["symbols"] == ["AAPL"]


def test_a_retry_waits_for_the_sync_that_runs_and_a_first_try_does_not(
    reports: list[SyncReport], tmp_path: Path
) -> None:
    reports.append(SyncReport({"AAPL": stock_data()}, {}))
    with sync_lock(tmp_path) as held:
        assert held
        assert FakeTask().run(symbols=["AAPL"])["skipped"] == tasks.OTHER
        outcome: list[dict[str, Any]] = []
        waiting = threading.Thread(target=lambda: outcome.append(FakeTask(retries=1).run(symbols=["AAPL"])))
        waiting.start()
        waiting.join(0.3)
    waiting.join(5)
    assert [each["published"] for each in outcome] == [1]
