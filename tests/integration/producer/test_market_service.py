"""Syncs and replays into a real RabbitMQ: what is confirmed, and what becomes of the rest."""

import gzip
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from celery.exceptions import SoftTimeLimitExceeded

from producer.commands import sync_in_turn
from producer.market_service import SyncReport, run_sync, sync, sync_lock
from producer.providers.base import Provider, QuoteResults
from producer.providers.recordings import BadRow, Recording
from producer.providers.simulated import SimulatedProvider
from producer.replay import Replay
from producer.tasks import attempt
from shared.errors import BrokerUnavailable, PublishError, SettingsError, SyncRunning
from shared.events import StockData, stock_data_id
from shared.messaging.address import BrokerAddress
from shared.messaging.messages import Delivery
from shared.messaging.publisher import Publisher
from shared.settings import Settings
from shared.signals import Stop
from shared.times import utc_now
from tests.harness import declare, taken, waiting

AT = datetime(2024, 11, 20, 10, 0, 3, 120000, tzinfo=UTC)
SIMULATED: Sequence[Provider] = [SimulatedProvider()]


def events(deliveries: Sequence[Delivery]) -> list[StockData]:
    return [StockData.decode(delivery.body, utc_now()) for delivery in deliveries]


def test_a_sync_publishes_one_event_a_symbol(broker: BrokerAddress) -> None:
    queue = declare(broker)
    with Publisher(broker, "test") as publisher:
        report = sync(SIMULATED, publisher, ["AAPL", "BRK.B"], AT)
    first, second = taken(broker, queue, 2)
    assert [first.routing_key, second.routing_key] == ["stock.AAPL.price", "stock.BRK-B.price"]
    assert events([first, second]) == [report.published["AAPL"], report.published["BRK.B"]]
    assert report.published["AAPL"].provider == "simulated"
    assert not report.failed


def test_the_same_instant_repeats_the_ids_and_the_prices(broker: BrokerAddress) -> None:
    queue = declare(broker)
    with Publisher(broker, "test") as publisher:
        for _ in range(2):
            sync(SIMULATED, publisher, ["AAPL"], AT)
    first, second = events(taken(broker, queue, 2))
    assert first.id == second.id == stock_data_id("simulated", "AAPL", AT.replace(microsecond=0))
    assert first.price == second.price


def test_a_symbol_that_no_queue_takes_is_unconfirmed_and_the_others_are_published(broker: BrokerAddress) -> None:
    queue = declare(broker, "stock.AAPL.price")
    with Publisher(broker, "test") as publisher:
        report = sync(SIMULATED, publisher, ["MSFT", "AAPL"], AT)
    assert set(report.published) == {"AAPL"}
    assert report.unconfirmed == ("MSFT",)
    assert "no queue is bound for stock.MSFT.price" in report.failed["MSFT"]
    assert waiting(broker, queue) == 1


def test_a_broker_that_is_away_is_an_error_of_the_whole_sync(tmp_path: Path) -> None:
    settings = replace(Settings(), amqp_url=BrokerAddress.parse("amqp://127.0.0.1:1/"))
    with pytest.raises(BrokerUnavailable, match="no RabbitMQ answers"):
        run_sync(settings, ["AAPL"], AT, tmp_path)


def test_no_provider_is_asked_for_what_could_not_be_published() -> None:
    asked: list[str] = []

    class Asked(SimulatedProvider):
        def quotes(self, symbols: Sequence[str], at: datetime) -> QuoteResults:
            asked.extend(symbols)
            return super().quotes(symbols, at)

    address = BrokerAddress.parse("amqp://127.0.0.1:1/")
    with Publisher(address, "test") as publisher, pytest.raises(BrokerUnavailable):
        sync([Asked()], publisher, ["AAPL"], AT)
    assert asked == []


def test_a_sync_waits_for_the_one_that_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("producer.commands.PATIENCE", 0.2)
    with sync_lock(tmp_path) as held:
        assert held
        start = time.monotonic()
        with pytest.raises(SyncRunning, match="another sync has been running"):
            sync_in_turn(Settings(), ["AAPL"], AT, tmp_path)
        assert time.monotonic() - start >= 0.2


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="needs a folder in which nobody can write")
def test_a_lock_that_cannot_be_made_is_one_line() -> None:
    with pytest.raises(SettingsError, match="cannot be written"), sync_lock(Path("/proc/stockwire")):
        pass


@pytest.fixture
def csv(tmp_path: Path) -> Path:
    path = tmp_path / "prices.csv"
    rows = ["2020-01-02,AAPL,1.10", "2020-01-02,MSFT,x", "2020-01-02,BRK.B,2", "2020-01-03,AAPL,3"]
    path.write_text("\n".join(["date,symbol,close", *rows]))
    return path


def play(broker: BrokerAddress, path: Path, stop: Stop | None = None, **options: object) -> tuple[Replay, list[BadRow]]:
    bad: list[BadRow] = []
    with Recording(path) as recording, Publisher(broker, "test") as publisher:
        run = Replay(recording, publisher, bad.append, lambda _position: None, **options)  # type: ignore[arg-type]
        run.run(stop or Stop())
    return run, bad


def test_a_replay_publishes_every_good_row_in_order_and_names_the_bad(broker: BrokerAddress, csv: Path) -> None:
    queue = declare(broker)
    run, bad = play(broker, csv)
    assert (run.published, run.skipped, [row.line for row in bad]) == (3, 1, [3])
    deliveries = taken(broker, queue, 3)
    assert [delivery.routing_key for delivery in deliveries] == [
        "stock.AAPL.price",
        "stock.BRK-B.price",
        "stock.AAPL.price",
    ]
    first = events(deliveries)[0]
    assert (str(first.price), first.provider, first.as_of) == ("1.1", "replay", datetime(2020, 1, 2, tzinfo=UTC))
    assert first.id == stock_data_id("replay", "AAPL", first.as_of)


def test_a_replay_of_some_symbols_as_backfill(broker: BrokerAddress, csv: Path) -> None:
    queue = declare(broker)
    run, bad = play(broker, csv, symbols=frozenset({"AAPL"}), backfill=True)
    assert (run.published, bad) == (2, [])
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


def test_what_stands_before_the_break_of_a_file_is_published(broker: BrokerAddress, csv: Path) -> None:
    queue = declare(broker)
    rows = "".join(f"2020-01-02T{hour:02}:{minute:02}Z,AAPL,1\n" for hour in range(24) for minute in range(60))
    packed = csv.with_suffix(".csv.gz")
    packed.write_bytes(gzip.compress(b"time,symbol,price\n" + rows.encode(), mtime=0)[:-200])
    with Recording(packed) as recording, Publisher(broker, "test") as publisher:
        run = Replay(recording, publisher, lambda _row: None, lambda _position: None)
        with pytest.raises(SettingsError, match="cut off"):
            run.run(Stop())
    assert run.published == waiting(broker, queue) > 500


def test_a_replay_that_no_queue_takes_ends_with_an_error(broker: BrokerAddress, csv: Path) -> None:
    declare(broker, "stock.MSFT.price")
    with pytest.raises(PublishError, match=r"no queue is bound for stock\.AAPL\.price"):
        play(broker, csv)


def test_a_sync_that_reaches_its_time_limit_is_worth_another_try(monkeypatch: pytest.MonkeyPatch) -> None:
    def too_long(*_: object) -> SyncReport:
        raise SoftTimeLimitExceeded

    monkeypatch.setattr("producer.tasks.run_sync", too_long)
    so_far = {"published": 0}
    outcome, left, error = attempt(Settings(), ["AAPL", "MSFT"], AT, so_far)
    assert (outcome, left) == (so_far, ["AAPL", "MSFT"])
    assert "took too long" in str(error)
