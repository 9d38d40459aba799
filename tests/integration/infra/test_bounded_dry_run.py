"""Dry runs for the API on a real history: the firings of the live engine, within bounds of prices and time."""

import threading
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from consumers.alerts.rules.models import Rule
from consumers.alerts.rules.options import Options
from consumers.alerts.rules.parser import parse_terms
from consumers.history.store import PriceStore
from consumers.history.tables import SCHEMA
from infra import bounded_dry_run
from infra.bounded_dry_run import BoundedDryRuns
from shared.database.engine import opened
from shared.database.schema import create_schema
from shared.errors import SettingsError, StorageUnavailable
from shared.events import StockData
from shared.settings import Settings, parse_database_url
from shared.times import format_instant, utc_now
from tests.event_factories import stock_data

DAY = timedelta(days=1)
START = utc_now().replace(hour=0, minute=0, second=0, microsecond=0) - 30 * DAY


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    url = f"sqlite:///{tmp_path / 'history.db'}"
    monkeypatch.setenv("STOCKWIRE_HISTORY_URL", url)
    return Settings(history_url=parse_database_url(url))


def daily(prices: str, symbol: str = "AAPL", provider: str = "yahoo") -> list[StockData]:
    return [stock_data(symbol, price, START + day * DAY, provider) for day, price in enumerate(prices.split())]


def store(settings: Settings, *series: Sequence[StockData]) -> None:
    with opened(settings.history_url.engine_url) as engine:
        create_schema(engine, SCHEMA)
        for events in series:
            PriceStore(engine).save(list(events))


def rule(text: str, options: Options | None = None) -> Rule:
    terms = parse_terms(text)
    return Rule(0, str(terms), terms, 1, options or Options())


def test_firings_and_ends_have_times_prices_and_providers(settings: Settings) -> None:
    store(settings, daily("199 201 199 205"))
    found = BoundedDryRuns(settings).run(rule("AAPL above 200", Options(resolved=True)), START)
    assert [(each.as_of, each.symbol, each.price, each.state, each.provider) for each in found.firings] == [
        (format_instant(START + day * DAY), "AAPL", price, state, "yahoo")
        for day, price, state in ((1, "201", "firing"), (2, "199", "resolved"), (3, "205", "firing"))
    ]
    [symbol] = found.symbols
    assert (symbol.symbol, symbol.prices, symbol.firings, symbol.providers) == ("AAPL", 4, 2, ["yahoo"])
    assert (symbol.first, symbol.last) == (format_instant(START), format_instant(START + 3 * DAY))
    assert (found.when, found.cut, found.suspected_splits) == ("AAPL above 200", None, [])
    assert found.summary.startswith("AAPL above 200 would have fired 2 times on 4 stored prices of AAPL (yahoo)")


def test_a_rule_on_every_symbol_is_tried_on_each_and_the_firings_are_in_order_of_time(settings: Settings) -> None:
    store(settings, daily("1 1 300"), daily("1 300 1", "MSFT"))
    found = BoundedDryRuns(settings).run(rule("* above 200"), START)
    assert [each.symbol for each in found.symbols] == ["AAPL", "MSFT"]
    assert [(each.symbol, each.price) for each in found.firings] == [("MSFT", "300"), ("AAPL", "300")]


def test_a_jump_that_may_be_a_split_is_told_and_holds_the_rule(settings: Settings) -> None:
    store(settings, daily("400 100 500"))
    found = BoundedDryRuns(settings).run(rule("AAPL above 450"), START)
    [split] = found.suspected_splits
    assert (split.symbol, split.previous_price, split.price, split.ratio) == ("AAPL", "400", "100", "4:1")
    assert found.firings == []


def test_prices_can_be_tried_since_the_first_year(settings: Settings) -> None:
    store(settings, daily("199 201"))
    first_year = datetime(1, 1, 1, tzinfo=UTC)
    assert len(BoundedDryRuns(settings).run(rule("AAPL above 200"), first_year).firings) == 1


def test_without_prices_the_summary_says_so(settings: Settings) -> None:
    found = BoundedDryRuns(settings).run(rule("AAPL above 450"), START)
    assert (found.summary, found.symbols, found.firings) == ("AAPL above 450: no stored prices of AAPL", [], [])


@pytest.mark.parametrize("text", ["AAPL no data for 30m", "AAPL moving up 5% since close"])
def test_what_the_history_does_not_keep_cannot_be_tried(settings: Settings, text: str) -> None:
    with pytest.raises(SettingsError, match="cannot be tried: it needs"):
        BoundedDryRuns(settings).run(rule(text), START)


def test_only_the_newest_prices_are_tried_if_there_are_too_many(settings: Settings) -> None:
    store(settings, daily("201 199 201 199 201"), daily("1 1 1 1 201", "MSFT"))
    found = BoundedDryRuns(settings, most_prices=6).run(rule("* above 200"), START)
    assert [(each.symbol, each.prices) for each in found.symbols] == [("AAPL", 3), ("MSFT", 3)]
    assert found.cut == "of each symbol only the newest 3 prices were tried"


def test_only_the_newest_firings_are_listed(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounded_dry_run, "MOST_FIRINGS", 2)
    store(settings, daily("201 199 202 199 203"))
    found = BoundedDryRuns(settings).run(rule("AAPL above 200"), START)
    assert [each.price for each in found.firings] == ["202", "203"]
    assert found.cut == "only the newest 2 of 3 firings are listed"
    assert found.symbols[0].firings == 3


def test_a_dry_run_ends_when_its_time_is_over(settings: Settings) -> None:
    store(settings, daily("199 201"))
    found = BoundedDryRuns(settings, time_limit=0).run(rule("AAPL above 200"), START)
    assert (found.cut, found.symbols) == ("after 0 s the rest was left out", [])


def test_a_second_dry_run_waits_for_the_first_but_not_for_long(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    store(settings, daily("199 201"))
    monkeypatch.setattr(bounded_dry_run, "_WAIT", 0.05)
    runs, going_on, may_end = BoundedDryRuns(settings), threading.Event(), threading.Event()

    def slow(*_: object) -> bool:
        going_on.set()
        return may_end.wait(20)

    monkeypatch.setattr(bounded_dry_run, "history_exists", slow)
    first = threading.Thread(target=runs.run, args=(rule("AAPL above 200"), START))
    first.start()
    assert going_on.wait(20)
    with pytest.raises(StorageUnavailable, match="another dry run is under way"):
        runs.run(rule("AAPL above 200"), START)
    may_end.set()
    first.join()
    assert len(runs.run(rule("AAPL above 200"), START).firings) == 1
