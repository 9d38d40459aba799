"""The pure parts of the benchmarks: figures, their output, and the events. No test runs a benchmark."""

import json
from importlib import import_module
from types import SimpleNamespace
from typing import cast

import pytest
from typer.testing import CliRunner

from benchmarks import latency, persist, publish, query
from benchmarks.__main__ import cli
from benchmarks.alerts import AlertsReport
from benchmarks.api import ApiReport
from benchmarks.generated_prices import price_messages
from benchmarks.naive_pika_sqlite import Batches, UncheckedStore
from benchmarks.query import QueryReport
from benchmarks.report import OURS, Latencies, Rates, percentile
from benchmarks.rounds import ROUNDS, run_rounds
from benchmarks.side_process import Side
from benchmarks.stored_prices import START, YEAR, stored_prices
from shared.events import StockData
from shared.times import to_micros, utc_now

SIDES = {
    "ours": Side("as it is", 50_000, lambda _job: 0.0),
    "pika": Side("one by one", 500, lambda _job: 0.0),
    "aio-pika": Side("many at once", 50_000, lambda _job: 0.0),
}
RATES = Rates("publish", SIDES, {"ours": 20_000.0, "pika": 100.0, "aio-pika": 8_000.0}, {"pika": 200, "aio-pika": 3})
LATENCIES = Latencies("latency", SIDES, {"ours": 2.0, "pika": 9.0}, {"ours": 16.0, "pika": 30.0}, (3, 15))


def test_rates_are_one_json_object_with_how_many_times_faster_ours_is() -> None:
    assert json.loads(RATES.as_json()) == {
        "bench": "publish",
        "ours": 20_000.0,
        "peers": {"pika": 100.0, "aio-pika": 8_000.0},
        "ratios": {"pika": 200.0, "aio-pika": 2.5},
        "unit": "events/s",
        "n": 50_000,
    }


def test_the_report_of_alerts_adds_what_a_start_and_a_change_take() -> None:
    report = json.loads(AlertsReport(RATES, 0.5, 80.0, 0.1).as_json())
    assert report == json.loads(RATES.as_json()) | {"ready_s": 0.5, "memory_mb": 80.0, "change_s": 0.1}


def query_report(bytes_per_row: float = 39.5) -> QueryReport:
    figures = {"ours": (1.0, 2.0, 10.0), "obvious": (50.0, 10.0, 100.0), "duckdb": (3.0, 1.0, 20.0)}
    return QueryReport(10_000_000, bytes_per_row, figures)


def test_the_report_of_queries_has_each_question_for_each_side() -> None:
    report = json.loads(query_report().as_json())
    assert report["ours"] == {"newest": 1.0, "day": 2.0, "year": 10.0}
    assert report["peers"]["obvious"] == {"newest": 50.0, "day": 10.0, "year": 100.0}
    assert report["ratios"] == {
        "obvious": {"newest": 50.0, "day": 5.0, "year": 10.0},
        "duckdb": {"newest": 3.0, "day": 0.5, "year": 2.0},
    }
    assert (report["unit"], report["n"], report["bytes_per_row"]) == ("ms", 10_000_000, 39.5)


def test_the_table_of_queries_judges_each_question_and_the_size(capsys: pytest.CaptureFixture[str]) -> None:
    query_report(40.1).show()
    lines = capsys.readouterr().out.splitlines()
    judged = [next(word for word in ("met", "missed", "") if word in line) for line in lines[1:10]]
    assert judged == ["", "met", "met", "", "missed", "missed", "", "met", "met"]
    assert lines[-1] == "40.1 bytes a row on 10,000,000 rows (goal ≤ 40 missed)"


def test_the_report_of_the_api_has_each_question_and_the_events(capsys: pytest.CaptureFixture[str]) -> None:
    report = ApiReport({"ours": (1000.0, 900.0), "datasette": (100.0, 300.0), "orm": (50.0, 300.0)}, 20.0, 260.0, 9, 10)
    found = json.loads(report.as_json())
    assert found["ours"] == {"latest": 1000.0, "year": 900.0}
    assert found["ratios"] == {"datasette": {"latest": 10.0, "year": 3.0}, "orm": {"latest": 20.0, "year": 3.0}}
    assert found["events"] == {"readers": 1000, "arrived": 9, "expected": 10, "p50_ms": 20.0, "p99_ms": 260.0}
    report.show()
    lines = capsys.readouterr().out.splitlines()
    judged = [next(word for word in ("met", "missed", "") if word in line) for line in lines[1:]]
    assert judged == ["", "met", "met", "", "missed", "met", "missed", "missed"]


def test_every_run_of_queries_has_the_same_prices_of_a_year() -> None:
    prices = list(stored_prices(1_500))
    assert prices == list(stored_prices(1_500))
    assert [each.symbol for each in prices[:3]] == [0, 1, 2]
    assert len({(each.symbol, each.as_of) for each in prices}) == 1_500
    assert all(to_micros(START) <= each.as_of < to_micros(START + YEAR) for each in prices)
    assert all(len(repr(each.price)) <= 6 for each in prices)


def test_latencies_are_one_json_object_with_how_many_times_shorter_ours_is() -> None:
    assert json.loads(LATENCIES.as_json()) == {
        "bench": "latency",
        "ours": 2.0,
        "peers": {"pika": 9.0},
        "ratios": {"pika": 4.5},
        "unit": "ms",
        "n": 50_000,
        "p99": {"ours": 16.0, "peers": {"pika": 30.0}},
    }


def test_the_table_of_rates_tells_each_side_and_which_goals_were_met(capsys: pytest.CaptureFixture[str]) -> None:
    RATES.show()
    header, ours, pika, aio_pika = capsys.readouterr().out.splitlines()
    assert header.split() == ["side", "events/s", "ours", "is", "goal", "events", "how"]
    assert ours.split() == ["ours", "20,000", "50,000", "as", "it", "is"]
    assert pika.split() == ["pika", "100", "200.00×", "≥", "200×", "met", "500", "one", "by", "one"]
    assert "2.50×  ≥ 3× missed" in aio_pika


@pytest.mark.parametrize(("p99", "said"), [(15.0, "met"), (15.1, "missed")])
def test_the_table_of_latencies_judges_both_figures(p99: float, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    Latencies("latency", SIDES, {"ours": 3.0}, {"ours": p99}, (3, 15)).show()
    assert f"≤ 3 and ≤ 15 {said}" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("values", "share", "expected"),
    [
        ([5.0], 0.5, 5.0),
        ([3.0, 1.0, 2.0], 0.5, 2.0),
        ([4.0, 3.0, 2.0, 1.0], 0.5, 2.0),
        ([float(value) for value in range(1, 101)], 0.99, 99.0),
        ([float(value) for value in range(1, 102)], 0.99, 100.0),
    ],
)
def test_a_percentile_is_a_value_that_was_measured(values: list[float], share: float, expected: float) -> None:
    assert percentile(values, share) == expected


def test_the_sides_run_alternately_and_the_median_counts(capsys: pytest.CaptureFixture[str]) -> None:
    calls: list[str] = []

    def once(side: str) -> tuple[float, float]:
        calls.append(side)
        return len(calls), -len(calls)

    assert run_rounds("publish", ("ours", "pika"), once) == {"ours": (3, -3), "pika": (4, -4)}
    assert calls == ["ours", "pika"] * ROUNDS
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "publish: round 2 of 3: pika … 4 -4\n" in printed.err


def test_every_run_has_the_same_events_and_each_of_them_counts() -> None:
    messages = price_messages(1_500)
    events = [StockData.decode(message.body, utc_now()) for message in messages]
    assert messages == price_messages(1_500)
    assert len({event.id for event in events}) == 1_500
    assert len({event.symbol for event in events}) == 500
    assert all(300 <= len(message.body) <= 360 for message in messages)
    assert all(message.mandatory and message.properties["delivery_mode"] == 2 for message in messages)


BENCHES = pytest.mark.parametrize("sides", [publish.SIDES, persist.SIDES, latency.SIDES, query.SIDES])


@BENCHES
def test_ours_comes_first_and_does_all_of_the_work(sides: dict[str, Side]) -> None:
    assert next(iter(sides)) == OURS
    assert sides[OURS].events == max(side.events for side in sides.values())


@BENCHES
def test_another_process_finds_the_function_of_a_side_by_name(sides: dict[str, Side]) -> None:
    for side in sides.values():
        assert getattr(import_module(side.work.__module__), side.work.__name__) is side.work


def test_hand_made_batches_are_committed_when_full_and_at_the_end() -> None:
    committed: list[list[bytes]] = []
    store = cast("UncheckedStore", SimpleNamespace(save=lambda bodies: committed.append(list(bodies))))
    batches = Batches(store, events=5, size=2)
    assert [batches.add(body) for body in (b"1", b"2", b"3", b"4")] == [False, True, False, True]
    assert not batches.complete
    assert batches.add(b"5")
    assert batches.complete
    assert committed == [[b"1", b"2"], [b"3", b"4"], [b"5"]]


@pytest.mark.parametrize(("words", "status"), [(["--help"], 0), ([], 2)])
def test_the_benchmarks_are_listed_with_a_line_each(words: list[str], status: int) -> None:
    done = CliRunner().invoke(cli, words)
    assert done.exit_code == status
    listed = " ".join(done.output.split())
    for line in ("publish Publish 50,000 confirmed", "persist Commit 100,000 queued", "latency Time each event"):
        assert line in listed


@pytest.mark.parametrize("words", [["nonsense"], ["publish", "--jsn"], ["publish", "extra"]])
def test_wrong_usage_exits_with_2(words: list[str]) -> None:
    assert CliRunner().invoke(cli, words).exit_code == 2
