"""Removal of old prices on real SQLite and PostgreSQL: by `stockwire prune`, and by STOCKWIRE_RETENTION."""

from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.engine import URL

from consumers.history import pruning, retention
from consumers.history.handler import open_handler
from consumers.history.pruning import Pruning
from consumers.history.queries.prices import history_reader, read_prices
from consumers.history.retention import Retention
from consumers.history.store import PriceStore
from consumers.history.tables import SCHEMA
from shared.database.engine import opened, reading
from shared.database.schema import create_schema
from shared.database.url import DatabaseUrl
from shared.errors import StorageLocked
from shared.events import StockData
from shared.prices import format_price
from shared.settings import Settings
from shared.times import utc_now
from tests.event_factories import AS_OF, changed, price_series, stock_data
from tests.forked_processes import stockwire

SECOND = timedelta(seconds=1)


def settings_of(engine: Engine, age: timedelta | None = None) -> Settings:
    return Settings(history_url=DatabaseUrl(engine.url.render_as_string(hide_password=False)), retention=age)


def prices_of(engine: Engine, symbol: str) -> list[tuple[str, str | None]]:
    with history_reader(settings_of(engine)) as reader:
        return [(format_price(row.price), row.interval) for row in read_prices(reader, symbol)]


def bars(symbol: str, count: int) -> list[StockData]:
    """Return hourly bars, older than all quotes."""
    start = AS_OF - timedelta(days=10)
    return [stock_data(symbol, str(n + 1), start + timedelta(hours=n), interval="1h") for n in range(count)]


def numbers(first: int, last: int) -> list[str]:
    return [str(number) for number in range(first, last + 1)]


def test_quotes_before_the_time_are_removed_in_pieces_and_bars_stay(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pruning, "PIECE", 7)
    store = PriceStore(engine)
    for symbol in ("AAPL", "MSFT", "BRK.B"):
        store.save([*price_series(numbers(1, 20), symbol=symbol), *bars(symbol, 3)])
    work = Pruning(engine, AS_OF + 15 * SECOND)
    assert {each.symbol: count for each, count in work.count().items()} == {"AAPL": 15, "MSFT": 15, "BRK.B": 15}
    removed = [0]
    while work.step():
        removed.append(work.removed.total())
    assert removed == [0, 7, 14, 21, 28, 35, 42]
    assert {each.symbol: count for each, count in work.removed.items()} == {"AAPL": 15, "MSFT": 15, "BRK.B": 15}
    for symbol in ("AAPL", "MSFT", "BRK.B"):
        kept = [(price, None) for price in numbers(16, 20)]
        assert prices_of(engine, symbol) == [*((price, "1h") for price in numbers(1, 3)), *kept]


def test_only_given_symbols_and_bars_if_asked_for(engine: Engine) -> None:
    PriceStore(engine).save([*price_series(["1"]), *price_series(["2"], symbol="MSFT"), *bars("MSFT", 3)])
    work = Pruning(engine, AS_OF + timedelta(days=1), ["MSFT"], includes_bars=True)
    assert not work.step()
    assert work.removed.total() == 4
    assert prices_of(engine, "AAPL") == [("1", None)]
    assert prices_of(engine, "MSFT") == []


def test_a_running_consumer_stores_on_in_an_emptied_series(engine: Engine) -> None:
    with open_handler(settings_of(engine)) as handle:
        handle(price_series(["1", "2"]))
        while Pruning(engine, AS_OF + timedelta(days=1)).step():
            pass
        handle(price_series(["3"], start=AS_OF + timedelta(days=2)))
    assert prices_of(engine, "AAPL") == [("3", None)]


def test_a_failed_piece_removes_nothing_and_the_next_try_goes_on(
    engine: Engine, history_url: URL, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.database.engine.BUSY_TIMEOUT", 0.1)
    monkeypatch.setattr(pruning, "PIECE", 5)
    PriceStore(engine).save(price_series(numbers(1, 12)))
    with opened(history_url) as mine:
        work = Pruning(mine, AS_OF + timedelta(days=1))
        assert work.step()
        with engine.begin() as other:
            other.execute(text("UPDATE quote SET volume = 1"))
            with pytest.raises(StorageLocked):
                work.step()
        assert work.removed.total() == 5
        while work.step():
            pass
    assert work.removed.total() == 12
    assert prices_of(engine, "AAPL") == []


class Clock:
    """A clock and a monotonic clock that a test moves."""

    def __init__(self) -> None:
        self.now = AS_OF + timedelta(days=90)
        self.seconds = 0.0

    def move(self, by: timedelta) -> None:
        self.now += by
        self.seconds += by.total_seconds()


def test_retention_removes_at_the_start_and_every_hour_a_piece_at_a_time(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pruning, "PIECE", 3)
    monkeypatch.setattr(retention, "MOST_WORK", -1.0)
    clock = Clock()
    keeper = Retention(engine, timedelta(days=90), lambda: clock.now, lambda: clock.seconds)
    PriceStore(engine).save(price_series(numbers(1, 8)))
    clock.move(5 * SECOND)
    counts = []
    for _ in range(2):
        assert keeper.is_due()
        keeper.work()
        counts.append(len(prices_of(engine, "AAPL")))
    assert counts == [5, 3]
    clock.move(timedelta(minutes=59))
    assert not keeper.is_due()
    clock.move(timedelta(minutes=1))
    assert keeper.is_due()
    keeper.work()
    assert prices_of(engine, "AAPL") == []


def test_the_consumer_removes_old_quotes_only_while_it_is_idle(engine: Engine) -> None:
    old, new = price_series(["1", "2"]), stock_data(price="3", as_of=utc_now() - timedelta(days=1))
    daily = changed(old[0], interval="1d")
    with open_handler(settings_of(engine, timedelta(days=90))) as handle:
        handle([*old, daily, new])
        assert len(prices_of(engine, "AAPL")) == 4
        handle.idle(lambda: 1)  # type: ignore[attr-defined]
        assert len(prices_of(engine, "AAPL")) == 4
        handle.idle(lambda: 0)  # type: ignore[attr-defined]
        assert prices_of(engine, "AAPL") == [("1", "1d"), ("3", None)]
    with open_handler(settings_of(engine)) as handle:
        handle(old)
        handle.idle(lambda: 0)  # type: ignore[attr-defined]
    assert len(prices_of(engine, "AAPL")) == 4


def run(engine: Engine, *words: str) -> tuple[int, str, str]:
    environment = {"STOCKWIRE_HISTORY_URL": engine.url.render_as_string(hide_password=False)}
    done = stockwire("prune", *words, environment=environment)
    return done.returncode, done.stdout, done.stderr


def test_the_command_says_what_it_removes(engine: Engine) -> None:
    PriceStore(engine).save([*price_series(numbers(1, 20)), *price_series(["1"], symbol="MSFT"), *bars("AAPL", 3)])
    before = (AS_OF + 5 * SECOND).isoformat()
    for words, verb in ((["--dry-run"], "would remove"), ([], "removed")):
        status, output, errors = run(engine, "--older-than", before, "--symbols", "aapl", *words)
        assert (status, errors) == (0, "")
        assert output.splitlines()[1].split() == ["AAPL", "simulated", "5"]
        assert output.endswith(f"{verb} 5 quotes from before 2024-11-20T10:00:03Z\n")
    assert len(prices_of(engine, "AAPL")) == 18
    assert run(engine, "--older-than", "1d", "--bars")[1].endswith("Z\n")
    with reading(engine) as connection:
        assert connection.scalar(text("SELECT count(*) FROM price_history")) == 0
    status, output, _ = run(engine, "--older-than", "1d")
    assert status == 0
    assert output.startswith("removed 0 quotes from before")


@pytest.mark.parametrize(
    ("words", "status", "message"),
    [
        ([], 2, "Missing option '--older-than'"),
        (["--older-than", "soon"], 2, "neither a date or time"),
        (["--older-than", "2999-01-01"], 2, "'2999-01-01' is in the future"),
        (["--older-than", "1d", "--symbols", "NONE"], 1, "there is no history of NONE: see ./stockwire symbols"),
        (["--older-than", "1d", "--symbols", ","], 1, "--symbols: names no symbol"),
    ],
)
def test_wrong_usage_removes_nothing(words: list[str], status: int, message: str, tmp_path: Path) -> None:
    with opened(URL.create("sqlite", database=str(tmp_path / "history.db"))) as engine:
        create_schema(engine, SCHEMA)
        PriceStore(engine).save(price_series(["1"]))
        found, _, errors = run(engine, *words)
        assert found == status
        assert message in errors
        assert prices_of(engine, "AAPL") == [("1", None)]


def test_without_a_history_the_command_makes_none(tmp_path: Path) -> None:
    done = stockwire("prune", "--older-than", "1d", environment={"STOCKWIRE_HISTORY_URL": f"sqlite:///{tmp_path}/x.db"})
    assert done.returncode == 1
    assert "there is no history in" in done.stderr
    assert list(tmp_path.iterdir()) == []
