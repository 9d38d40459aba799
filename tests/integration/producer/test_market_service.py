"""Syncs and replays into a real RabbitMQ: confirmed events, and the reports of the others."""

import gzip
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from celery.exceptions import SoftTimeLimitExceeded

from producer.commands import wait_for_sync_lock
from producer.market_service import SyncReport, fetch_and_publish, sync_lock, sync_prices
from producer.providers.base import Provider, QuoteResults
from producer.providers.simulated import SimulatedProvider
from producer.recordings.reader import Recording
from producer.recordings.rows import InvalidRow
from producer.recordings.selection import Selection
from producer.replay import Replay
from producer.tasks import run_attempt
from shared.errors import BrokerUnavailable, PublishError, SettingsError, SyncRunning
from shared.events import StockData, stock_data_id
from shared.messaging.address import BrokerAddress
from shared.messaging.messages import Delivery
from shared.messaging.publisher import Publisher
from shared.settings import Settings
from shared.signals import Stop
from shared.splits import Split
from shared.times import utc_now
from tests.queues import declare, taken, waiting

AT = datetime(2024, 11, 20, 10, 0, 3, 120000, tzinfo=UTC)
SIMULATED: Sequence[Provider] = [SimulatedProvider()]


def events(deliveries: Sequence[Delivery]) -> list[StockData]:
    return [StockData.decode(delivery.body, utc_now()) for delivery in deliveries]


def test_a_sync_publishes_one_event_per_symbol(broker: BrokerAddress) -> None:
    queue = declare(broker)
    with Publisher(broker, "test") as publisher:
        report = fetch_and_publish(SIMULATED, publisher, ["AAPL", "BRK.B"], AT)
    first, second = taken(broker, queue, 2)
    assert [first.routing_key, second.routing_key] == ["stock.AAPL.price", "stock.BRK-B.price"]
    assert events([first, second]) == [report.published["AAPL"], report.published["BRK.B"]]
    assert report.published["AAPL"].provider == "simulated"
    assert not report.failed


def test_a_sync_of_the_same_instant_repeats_ids_and_prices(broker: BrokerAddress) -> None:
    queue = declare(broker)
    with Publisher(broker, "test") as publisher:
        for _ in range(2):
            fetch_and_publish(SIMULATED, publisher, ["AAPL"], AT)
    first, second = events(taken(broker, queue, 2))
    assert first.id == second.id == stock_data_id("simulated", "AAPL", AT.replace(microsecond=0))
    assert first.price == second.price


def test_a_symbol_without_a_bound_queue_is_unconfirmed_and_the_others_are_published(broker: BrokerAddress) -> None:
    queue = declare(broker, "stock.AAPL.price")
    with Publisher(broker, "test") as publisher:
        report = fetch_and_publish(SIMULATED, publisher, ["MSFT", "AAPL"], AT)
    assert set(report.published) == {"AAPL"}
    assert report.unconfirmed == ("MSFT",)
    assert "no queue is bound for stock.MSFT.price" in report.failed["MSFT"]
    assert waiting(broker, queue) == 1


def test_an_unreachable_broker_is_an_error_of_the_whole_sync(tmp_path: Path) -> None:
    settings = replace(Settings(), amqp_url=BrokerAddress.parse("amqp://127.0.0.1:1/"))
    with pytest.raises(BrokerUnavailable, match="RabbitMQ does not answer"):
        sync_prices(settings, ["AAPL"], AT, tmp_path)


def test_no_provider_is_asked_if_the_broker_is_unreachable() -> None:
    requested: list[str] = []

    class RecordingProvider(SimulatedProvider):
        def quotes(self, symbols: Sequence[str], at: datetime) -> QuoteResults:
            requested.extend(symbols)
            return super().quotes(symbols, at)

    address = BrokerAddress.parse("amqp://127.0.0.1:1/")
    with Publisher(address, "test") as publisher, pytest.raises(BrokerUnavailable):
        fetch_and_publish([RecordingProvider()], publisher, ["AAPL"], AT)
    assert requested == []


def test_a_sync_waits_for_the_running_sync(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("producer.commands.LOCK_WAIT_SECONDS", 0.2)
    with sync_lock(tmp_path) as held:
        assert held
        start = time.monotonic()
        with pytest.raises(SyncRunning, match="another sync has been running"), wait_for_sync_lock(tmp_path):
            pass
        assert time.monotonic() - start >= 0.2


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="needs a folder that nobody can write to")
def test_a_lock_that_cannot_be_created_is_one_line() -> None:
    with pytest.raises(SettingsError, match="cannot be written"), sync_lock(Path("/proc/stockwire")):
        pass


@pytest.fixture
def csv(tmp_path: Path) -> Path:
    path = tmp_path / "prices.csv"
    rows = ["2020-01-02,AAPL,1.10", "2020-01-02,MSFT,x", "2020-01-02,BRK.B,2", "2020-01-03,AAPL,3"]
    path.write_text("\n".join(["date,symbol,close", *rows]))
    return path


def play(
    broker: BrokerAddress, path: Path, stop: Stop | None = None, **options: object
) -> tuple[Replay, list[InvalidRow]]:
    invalid: list[InvalidRow] = []
    with Recording(path) as recording, Publisher(broker, "test") as publisher:
        run = Replay(recording, publisher, invalid.append, lambda _position: None, **options)  # type: ignore[arg-type]
        run.run(stop or Stop())
    return run, invalid


def test_a_replay_publishes_every_valid_row_in_order_and_reports_the_invalid(broker: BrokerAddress, csv: Path) -> None:
    queue = declare(broker)
    run, invalid = play(broker, csv)
    assert (run.published, run.skipped, [row.line for row in invalid]) == (3, 1, [3])
    deliveries = taken(broker, queue, 3)
    assert [delivery.routing_key for delivery in deliveries] == [
        "stock.AAPL.price",
        "stock.BRK-B.price",
        "stock.AAPL.price",
    ]
    first = events(deliveries)[0]
    assert (str(first.price), first.provider, first.as_of) == ("1.1", "replay", datetime(2020, 1, 2, tzinfo=UTC))
    assert first.id == stock_data_id("replay", "AAPL", first.as_of, "1d")


def test_a_replay_of_some_symbols_as_backfill(broker: BrokerAddress, csv: Path) -> None:
    queue = declare(broker)
    run, invalid = play(broker, csv, selection=Selection({"AAPL"}), backfill=True)
    assert (run.published, invalid) == (2, [])
    assert {delivery.routing_key for delivery in taken(broker, queue, 2)} == {"stock.AAPL.backfill"}


def test_a_rate_is_kept(broker: BrokerAddress, tmp_path: Path) -> None:
    declare(broker)
    path = tmp_path / "minutes.csv"
    path.write_text("time,symbol,price\n" + "".join(f"2020-01-02T10:{minute:02}Z,AAPL,1\n" for minute in range(60)))
    start = time.monotonic()
    run, _ = play(broker, path, rate=100)
    assert run.published == 60
    assert time.monotonic() - start >= 0.6


def test_a_replay_that_is_stopped_has_counted_what_it_published(broker: BrokerAddress, csv: Path) -> None:
    declare(broker)
    stop = Stop()
    with Recording(csv) as recording, Publisher(broker, "test") as publisher:
        run = Replay(recording, publisher, lambda _row: None, lambda _position: stop.request(), rate=0.5)
        run.run(stop)
    assert run.published == 1


def test_the_splits_of_a_file_are_passed_on_before_the_prices(broker: BrokerAddress, tmp_path: Path) -> None:
    queue = declare(broker)
    path = tmp_path / "splits.csv"
    path.write_text("date,symbol,close,split\n2020-08-28,AAPL,499.23,1\n2020-08-31,AAPL,129.04,4\n")
    passed: list[tuple[list[str], str, int]] = []

    def on_splits(splits: Sequence[Split], source: str) -> None:
        passed.append(([f"{each.symbol} {each.day} {each.ratio}" for each in splits], source, waiting(broker, queue)))

    run, _ = play(broker, path, on_splits=on_splits)
    assert run.published == 2
    assert passed == [(["AAPL 2020-08-31 4:1"], "file", 0)]


def test_the_rows_before_a_truncation_are_published(broker: BrokerAddress, csv: Path) -> None:
    queue = declare(broker)
    rows = "".join(f"2020-01-02T{hour:02}:{minute:02}Z,AAPL,1\n" for hour in range(24) for minute in range(60))
    packed = csv.with_suffix(".csv.gz")
    packed.write_bytes(gzip.compress(b"time,symbol,price\n" + rows.encode(), mtime=0)[:-200])
    with Recording(packed) as recording, Publisher(broker, "test") as publisher:
        run = Replay(recording, publisher, lambda _row: None, lambda _position: None)
        with pytest.raises(SettingsError, match="cut off"):
            run.run(Stop())
    assert run.published == waiting(broker, queue) > 500


def test_a_replay_without_a_bound_queue_ends_with_an_error(broker: BrokerAddress, csv: Path) -> None:
    declare(broker, "stock.MSFT.price")
    with pytest.raises(PublishError, match=r"no queue is bound for stock\.AAPL\.price"):
        play(broker, csv)


def test_a_sync_that_reaches_its_time_limit_is_retried(monkeypatch: pytest.MonkeyPatch) -> None:
    def too_long(*_: object) -> SyncReport:
        raise SoftTimeLimitExceeded

    monkeypatch.setattr("producer.tasks.sync_prices", too_long)
    so_far = {"published": 0}
    attempt = run_attempt(Settings(), ["AAPL", "MSFT"], AT, so_far)
    assert (attempt.outcome, attempt.remaining) == (so_far, ["AAPL", "MSFT"])
    assert "took too long" in str(attempt.error)
