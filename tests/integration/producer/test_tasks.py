"""The Celery task called without a worker: its retries and their delays."""

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
from shared.errors import RateLimited
from shared.schedule import Schedule
from shared.settings import Settings
from shared.times import utc_now
from tests.event_factories import stock_data


class FakeRetry(Exception):
    """The exception of a retry, with the arguments of the retry."""

    def __init__(self, arguments: Mapping[str, Any]) -> None:
        self.arguments = arguments


@dataclass
class FakeTask:
    """The `self` that a worker passes to the task."""

    settings: Settings = field(default_factory=Settings)
    retries: int = 0

    @property
    def app(self) -> Any:
        return SimpleNamespace(conf=SimpleNamespace(stockwire=self.settings))

    @property
    def request(self) -> Any:
        return SimpleNamespace(retries=self.retries, delivery_info={})

    def retry(self, **arguments: Any) -> FakeRetry:
        return FakeRetry(arguments)

    def run(self, **arguments: Any) -> dict[str, Any]:
        outcome: dict[str, Any] = tasks.sync_watch_list.run.__func__(self, **arguments)
        return outcome


@pytest.fixture
def reports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[SyncReport]:
    """The reports of the next syncs, in order."""
    found: list[SyncReport] = []
    monkeypatch.setattr(tasks, "VAR", tmp_path)
    monkeypatch.setattr(tasks, "sync_prices", lambda *_: found.pop(0))
    return found


@pytest.mark.parametrize(("hours", "countdown"), [(1 / 60, 60), (3, 600)])
def test_a_long_rate_limit_is_waited_for_in_several_retries(
    reports: list[SyncReport], hours: float, countdown: float
) -> None:
    retry_at = utc_now() + timedelta(hours=hours)
    reports.append(SyncReport({}, {"AAPL": "is left"}, rate_limited={"AAPL": RateLimited("no credits", retry_at)}))
    task = FakeTask(Settings(schedule=Schedule.parse("1d")), retries=40)
    with pytest.raises(FakeRetry) as caught:
        task.run(symbols=["AAPL"])
    assert caught.value.arguments["countdown"] == pytest.approx(countdown, abs=1)
    assert caught.value.arguments["kwargs"]["symbols"] == ["AAPL"]


def test_a_retry_waits_for_the_running_sync_and_a_first_try_is_skipped(
    reports: list[SyncReport], tmp_path: Path
) -> None:
    reports.append(SyncReport({"AAPL": stock_data()}, {}))
    with sync_lock(tmp_path) as held:
        assert held
        assert FakeTask().run(symbols=["AAPL"])["skipped"] == tasks.ANOTHER_SYNC_RUNS
        outcome: list[dict[str, Any]] = []
        waiting = threading.Thread(target=lambda: outcome.append(FakeTask(retries=1).run(symbols=["AAPL"])))
        waiting.start()
        waiting.join(0.3)
    waiting.join(5)
    assert [each["published"] for each in outcome] == [1]
