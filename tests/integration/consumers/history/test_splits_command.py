"""`stockwire splits`, and `history --adjusted`, on a real SQLite database and on PostgreSQL."""

from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from sqlalchemy.engine import URL
from typer.testing import CliRunner

from consumers.alerts.store import load_pending_splits
from consumers.history.store import PriceStore
from infra.cli import cli
from infra.splits import store_splits
from shared.database.engine import opened, reading
from shared.errors import SettingsError
from shared.splits import BY_FILE, Split
from tests.event_factories import stock_data


@pytest.fixture(autouse=True)
def history(history_url: URL, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STOCKWIRE_HISTORY_URL", history_url.render_as_string(hide_password=False))
    monkeypatch.setenv("STOCKWIRE_ALERTS_URL", f"sqlite:///{tmp_path / 'alerts.db'}")
    days = [(datetime(2020, 8, 28, tzinfo=UTC), "499.23"), (datetime(2020, 8, 31, tzinfo=UTC), "129.04")]
    with opened(history_url) as engine:
        PriceStore(engine).save(
            [
                stock_data("AAPL", price, day, "yahoo", interval="1d", high=Decimal(price) + 1, low=Decimal(1))
                for day, price in days
            ]
        )


def run(*words: str) -> str:
    done = CliRunner().invoke(cli, words, prog_name="stockwire")
    if done.exception and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.output


def test_splits_are_added_replaced_listed_and_removed() -> None:
    assert run("splits", "add", "aapl", "2020-08-31", "5:1") == "added the split of AAPL on 2020-08-31: 5:1\n"
    assert run("splits", "add", "AAPL", "20200831", "4:1") == "added the split of AAPL on 2020-08-31: 4:1\n"
    run("splits", "add", "TSLA", "2020-08-31", "5:1")
    assert run("splits", "list", "AAPL", "--format", "csv") == "symbol,date,ratio,source\nAAPL,2020-08-31,4:1,hand\n"
    assert run("splits", "remove", "TSLA", "2020-08-31") == "removed the split of TSLA on 2020-08-31\n"
    assert run("splits", "list", "TSLA") == "no splits; add one with ./stockwire splits add AAPL 2020-08-31 4:1\n"
    with pytest.raises(SettingsError, match=r"TSLA has no split on 2020-08-31: see \./stockwire splits list TSLA"):
        run("splits", "remove", "TSLA", "2020-08-31")


def test_a_split_by_hand_wins_over_those_of_files_and_providers() -> None:
    split = Split("AAPL", date(2020, 8, 31), 4, 1)
    for source in (BY_FILE, "yahoo"):
        store_splits([split], source)
        assert listed() == [("2020-08-31", "4:1", source)]
    run("splits", "add", "AAPL", "2020-08-31", "5:1")
    store_splits([split, Split("AAPL", date(2014, 6, 9), 7, 1)], "yahoo")
    assert listed() == [("2014-06-09", "7:1", "yahoo"), ("2020-08-31", "5:1", "hand")]


def test_a_split_that_was_removed_by_hand_does_not_come_back_by_itself() -> None:
    split = Split("AAPL", date(2020, 8, 31), 4, 1)
    store_splits([split], "yahoo")
    run("splits", "remove", "AAPL", "2020-08-31")
    store_splits([split], "yahoo")
    assert listed() == []
    assert [line.split(",")[2] for line in prices("--adjusted")] == ["499.23", "129.04"]
    with pytest.raises(SettingsError, match="AAPL has no split on 2020-08-31"):
        run("splits", "remove", "AAPL", "2020-08-31")
    run("splits", "add", "AAPL", "2020-08-31", "4:1")
    assert listed() == [("2020-08-31", "4:1", "hand")]


def test_the_alerts_know_the_splits_that_the_history_has(tmp_path: Path) -> None:
    run("splits", "add", "AAPL", "2020-08-31", "4:1")
    store_splits([Split("AAPL", date(2020, 8, 31), 7, 1), Split("AAPL", date(2014, 6, 9), 7, 1)], BY_FILE)
    assert known_to_alerts(tmp_path) == ["7:1", "4:1"]
    run("splits", "remove", "AAPL", "2020-08-31")
    assert known_to_alerts(tmp_path) == ["7:1"]


def listed() -> list[tuple[str, ...]]:
    return [tuple(line.split(",")[1:]) for line in run("splits", "list", "AAPL", "--format", "csv").splitlines()[1:]]


def known_to_alerts(folder: Path) -> list[str]:
    with opened(URL.create("sqlite", database=str(folder / "alerts.db"))) as engine, reading(engine) as connection:
        return [split.ratio for split in load_pending_splits(connection, ["AAPL"]).get("AAPL", ())]


def test_prices_and_candles_before_a_split_are_divided_on_request() -> None:
    run("splits", "add", "AAPL", "2020-08-31", "4:1")
    assert [line.split(",")[2] for line in prices()] == ["499.23", "129.04"]
    assert [line.split(",")[2] for line in prices("--adjusted")] == ["124.8075", "129.04"]
    [week, _] = prices("--adjusted", "--every", "1w")
    assert week.split(",")[2:6] == ["124.8075", "125.0575", "0.25", "124.8075"]


def prices(*options: str) -> list[str]:
    return run("history", "AAPL", "--format", "csv", *options).splitlines()[1:]


@pytest.mark.parametrize("date", ["08/31/2020", "2020-08-31T09:30", "yesterday"])
def test_the_date_of_a_split_must_be_a_date(date: str) -> None:
    done = CliRunner().invoke(cli, ["splits", "add", "AAPL", date, "4:1"])
    assert done.exit_code == 2
