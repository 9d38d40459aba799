"""`backfill` and `gaps` as processes, with a fake provider behind a real HTTP server, and the history consumer."""

import contextlib
import re
import signal
import sqlite3
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest

from shared.messaging.address import BrokerAddress
from shared.times import utc_now
from tests.fake_apis import yahoo
from tests.fake_http_server import Answer, FakeHttpServer, Request, fake_http_server
from tests.forked_processes import forked, stockwire
from tests.processes import until
from tests.queues import declare

PRICES = {"AAPL": "187.44", "BRK.B": "412.35", "MSFT": "411.22"}
# Three working weeks of 2024 without a holiday.
SINCE, UNTIL = "2024-10-28", "2024-11-16"
WORKING_DAYS = 15

Environment = dict[str, str]


def play(request: Request) -> Answer:
    return yahoo.answer(request, PRICES)


@pytest.fixture
def server() -> Iterator[FakeHttpServer]:
    with fake_http_server(play) as playing:
        yield playing


@pytest.fixture
def settings(checkout: Path, broker: BrokerAddress, server: FakeHttpServer) -> Callable[..., Environment]:
    """Settings as environment variables; history and alerts are in the checkout's own `var`."""

    def made(**more: str) -> Environment:
        defaults = {"AMQP_URL": broker.url(), "PROVIDER": "yahoo", "YAHOO_URL": server.url}
        return {f"STOCKWIRE_{name}": value for name, value in {**defaults, **more}.items()}

    return made


@pytest.fixture
def history(checkout: Path, settings: Callable[..., Environment]) -> Iterator[None]:
    with forked("./stockwire", "consume", "history", environment=settings(), folder=checkout) as consumer:
        consumer.wait_for("consuming stockwire.history")
        yield


def ask(checkout: Path, statement: str) -> list[tuple[object, ...]]:
    """Return the rows of a query, by plain sqlite3."""
    with contextlib.closing(sqlite3.connect(checkout / "var" / "history.db")) as database, database:
        return database.execute(statement).fetchall()


def count_stored(checkout: Path) -> int:
    [(count,)] = ask(checkout, "select count(*) from price_history")
    assert isinstance(count, int)
    return count


@pytest.mark.usefixtures("history")
def test_past_prices_are_stored_and_raise_no_alert(settings: Callable[..., Environment], checkout: Path) -> None:
    run = partial(stockwire, environment=settings(), folder=checkout)
    assert run("rules", "add", "any", "* above 1").returncode == 0
    with forked("./stockwire", "consume", "alerts", environment=settings(), folder=checkout) as alerts:
        alerts.wait_for("consuming stockwire.alerts")
        for _ in range(2):
            done = run("backfill", "aapl", "BRK.B", "--since", SINCE, "--until", UNTIL)
            assert (done.returncode, done.stderr) == (0, "")
            assert done.stdout == "published 30 events of 2 symbols\n"
            until(lambda: count_stored(checkout) == 2 * WORKING_DAYS, "every day")
        assert run("sync", "MSFT").returncode == 0
        alerts.wait_for("MSFT")
        assert alerts.stop() == 0
    rows = ask(
        checkout, "select symbol, start, interval, close, provider from bars where symbol = 'BRK.B' order by start"
    )
    assert rows[0] == ("BRK.B", "2024-10-28T00:00:00.000000Z", "1d", 412.35, "yahoo")
    raised = run("alerts").stdout
    assert "MSFT" in raised
    assert "AAPL" not in raised


@pytest.mark.usefixtures("history")
def test_yahoo_s_prices_are_stored_as_traded_with_the_splits_that_it_tells(
    settings: Callable[..., Environment], checkout: Path, server: FakeHttpServer
) -> None:
    """The last split came after the range of the backfill."""
    splits = {1402320600: 7, 1598880600: 4}
    server.answer = partial(yahoo.answer, prices={"AAPL": "23.25"}, splits=splits)
    run = partial(stockwire, environment=settings(), folder=checkout)
    done = run("backfill", "AAPL", "--since", "2014-06-05", "--until", "2014-06-11")
    assert (done.returncode, done.stdout, done.stderr) == (0, "published 4 events of 1 symbol\n", "")
    until(lambda: count_stored(checkout) == 4, "every day")
    rows = ask(checkout, "select open, high, low, close, volume from bars order by start")
    assert rows == [(651.0,) * 4 + (35,), (651.0,) * 4 + (35,), (93.0,) * 4 + (250,), (93.0,) * 4 + (250,)]
    assert run("splits", "list", "--format", "csv").stdout.splitlines()[1:] == [
        "AAPL,2014-06-09,7:1,yahoo",
        "AAPL,2020-08-31,4:1,yahoo",
    ]
    adjusted = run("history", "AAPL", "--adjusted", "--format", "csv").stdout.splitlines()[1:]
    assert [line.split(",")[2] for line in adjusted] == ["23.25"] * 4
    done = run("gaps", "AAPL", "--since", "2014-06-05", "--interval", "1d", "--format", "csv")
    assert done.stdout.splitlines()[1].startswith("AAPL,2014-06-11T00:00:00Z,")


@pytest.mark.usefixtures("history")
@pytest.mark.parametrize("interval", ["1d", "5m"])
def test_a_start_before_all_prices_begins_with_the_first(
    settings: Callable[..., Environment], checkout: Path, interval: str
) -> None:
    command = ("backfill", "AAPL", "--since", "0001-01-01", "--until", "1970-01-03", "--interval", interval)
    done = stockwire(*command, environment=settings(), folder=checkout)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith(" of 1 symbol\n")


@pytest.mark.usefixtures("history")
def test_a_killed_backfill_resumes(
    settings: Callable[..., Environment], checkout: Path, server: FakeHttpServer
) -> None:
    killed = threading.Event()

    def play_until_killed(request: Request) -> Answer:
        if "MSFT" in request.path:
            killed.wait(30)
        return play(request)

    server.answer = play_until_killed
    command = ("backfill", *PRICES, "--since", SINCE, "--until", UNTIL)
    with forked("./stockwire", *command, environment=settings(), folder=checkout) as process:
        until(lambda: len(server.requests) == 3, "the third symbol to be asked for")
        process.stop(signal.SIGKILL)
    killed.set()
    done = stockwire(*command, environment=settings(), folder=checkout)
    assert done.returncode == 0
    assert done.stderr == (
        "resuming an interrupted backfill from yahoo: AAPL at 2024-11-16T00:00:00Z, BRK.B at 2024-11-16T00:00:00Z\n"
    )
    assert done.stdout == "published 15 events of 1 symbol\n"
    assert ["MSFT" in each.path for each in server.requests] == [False, False, True, True]
    until(lambda: count_stored(checkout) == 3 * WORKING_DAYS, "every day")
    # After a complete backfill the next one starts from the beginning.
    done = stockwire(*command, environment=settings(), folder=checkout)
    assert (done.stdout, done.stderr) == ("published 45 events of 3 symbols\n", "")


@pytest.mark.usefixtures("history")
def test_a_gap_is_listed_and_filled(settings: Callable[..., Environment], checkout: Path) -> None:
    days = [utc_now().date() - timedelta(days=number) for number in range(21, 0, -1)]
    working = [day for day in days if day.weekday() < 5]
    monday = next(day for day in days[5:] if day.weekday() == 0)
    thursday = monday + timedelta(days=3)
    stored = [f"{day},AAPL,1\n" for day in working if not monday <= day < thursday]
    stored += [f"{day},BRK.B,1\n" for day in working]
    (checkout / "prices.csv").write_text("date,symbol,close\n" + "".join(stored))
    run = partial(stockwire, environment=settings(SCHEDULE="0 22 * * *"), folder=checkout)
    assert run("replay", "prices.csv", "--backfill").returncode == 0
    until(lambda: count_stored(checkout) == len(stored), "what is recorded")

    done = run("gaps", "--format", "csv")
    expected = f"symbol,from,until,missing\nAAPL,{monday}T00:00:00Z,{thursday}T00:00:00Z,3\n"
    assert (done.returncode, done.stdout) == (0, expected)
    assert "STOCKWIRE_MARKET" in done.stderr
    done = run("backfill", "--gaps")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "published 3 events of 1 symbol\nno gaps remain\n"
    assert count_stored(checkout) == 2 * len(working)
    assert run("backfill", "--gaps").stdout == "no gaps\n"
    done = run("gaps")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "no gaps\n")


@pytest.mark.usefixtures("history")
def test_gaps_that_no_provider_can_fill_are_reported(settings: Callable[..., Environment], checkout: Path) -> None:
    run = partial(stockwire, environment=settings(), folder=checkout)
    done = run("backfill", "MSFT", "--gaps", "--since", "3d", "--interval", "5m")
    assert (done.returncode, done.stderr) == (0, "")
    published, remaining = done.stdout.splitlines()
    assert published.startswith("published ")
    assert " prices remain: there was no trading at the time" in remaining
    assert "or yahoo has no prices of it; set STOCKWIRE_MARKET" in remaining
    for words in (("gaps", "XYZ"), ("backfill", "XYZ", "--gaps")):
        nowhere = run(*words)
        assert (nowhere.returncode, nowhere.stdout) == (1, "")
        assert nowhere.stderr == "stockwire: no stored prices for XYZ; run ./stockwire backfill XYZ --since T\n"
    partly = run("gaps", "MSFT", "XYZ")
    assert partly.returncode == 0
    assert "no stored prices for XYZ; run ./stockwire backfill XYZ --since T\n" in partly.stderr


def test_a_failed_symbol_does_not_affect_the_others(
    settings: Callable[..., Environment], checkout: Path, broker: BrokerAddress
) -> None:
    declare(broker)
    command = ("backfill", "XYZ", "a*", "AAPL", "--since", SINCE, "--until", UNTIL)
    done = stockwire(*command, environment=settings(), folder=checkout)
    assert done.returncode == 1
    assert done.stdout == "published 15 events of 1 symbol\n"
    malformed, unknown = done.stderr.splitlines()
    assert malformed.startswith("a* failed: symbol 'A*' is not ")
    assert unknown.startswith("XYZ failed: Yahoo Finance cannot deliver this symbol: ")


def test_a_symbol_without_prices_in_the_time_range_is_named(
    settings: Callable[..., Environment], checkout: Path, broker: BrokerAddress
) -> None:
    declare(broker)
    command = ("backfill", "AAPL", "BRK.B", "--since", "2024-11-16", "--until", "2024-11-18")
    done = stockwire(*command, environment=settings(), folder=checkout)
    assert (done.returncode, done.stdout) == (0, "published 0 events of 0 symbols\n")
    assert done.stderr == "AAPL, BRK.B: yahoo has no prices in that time range\n"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_rate_limit_per_minute_is_waited_for_and_a_signal_ends_the_wait(
    settings: Callable[..., Environment], checkout: Path, broker: BrokerAddress, number: signal.Signals
) -> None:
    declare(broker)
    command = ("./stockwire", "backfill", "AAPL", "BRK.B", "--since", SINCE, "--until", UNTIL)
    with forked(*command, environment=settings(YAHOO_PER_MINUTE="1"), folder=checkout) as process:
        process.wait_for("s: Yahoo Finance's quota of 1 per minute (STOCKWIRE_YAHOO_PER_MINUTE) is used up until ")
        assert process.stop(number, timeout=5) == 0
        waited, published, stopped = process.output.splitlines()
    assert waited.startswith("waiting for ")
    assert published == "published 15 events of 1 symbol"
    assert stopped == "stopped: run the same command again to resume"


def test_a_daily_limit_ends_the_backfill_and_says_when_to_run_it_again(
    settings: Callable[..., Environment], checkout: Path, broker: BrokerAddress
) -> None:
    declare(broker)
    command = ("backfill", "AAPL", "BRK.B", "--since", SINCE, "--until", UNTIL)
    done = stockwire(*command, environment=settings(YAHOO_PER_DAY="1"), folder=checkout)
    assert (done.returncode, done.stdout) == (1, "published 15 events of 1 symbol\n")
    tomorrow = utc_now().date() + timedelta(days=1)
    assert done.stderr.startswith("stockwire: BRK.B not completed: Yahoo Finance's quota of 1 per day (STOCKWIRE_YAHOO")
    assert done.stderr.endswith(f"; run the same command again after {tomorrow} 00:00:00 UTC\n")
    done = stockwire(*command, environment=settings(), folder=checkout)
    assert (done.returncode, done.stdout) == (0, "published 15 events of 1 symbol\n")
    assert done.stderr.startswith("resuming an interrupted backfill from yahoo: AAPL at ")


def test_a_provider_without_past_prices_is_one_line(settings: Callable[..., Environment], checkout: Path) -> None:
    environment = settings(PROVIDER="finnhub", FINNHUB_KEY="key")
    done = stockwire("backfill", "AAPL", "--since", "7d", environment=environment, folder=checkout)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "stockwire: STOCKWIRE_PROVIDER: finnhub has no past prices at an interval of 1d:"
        " use one of simulated, twelvedata, yahoo, alphavantage, massive\n"
    )


@pytest.mark.usefixtures("history")
def test_the_simulated_provider_has_past_prices_without_any_setting(checkout: Path, broker: BrokerAddress) -> None:
    environment = {"STOCKWIRE_AMQP_URL": broker.url()}
    today = utc_now().date()
    done = stockwire("backfill", "AAPL", "--since", "90d", environment=environment, folder=checkout)
    assert (done.returncode, done.stderr) == (0, "")
    [number] = re.findall(r"published (\d+) events of 1 symbol\n", done.stdout)
    assert int(number) in (89, 90)
    until(lambda: count_stored(checkout) == int(number), "every day")
    [(provider, newest)] = ask(checkout, "select distinct provider, max(as_of) from price_history")
    assert provider == "simulated"
    assert newest in {f"{today - timedelta(days=age)}T00:00:00.000000Z" for age in (0, 1)}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "name symbols and --since T, or use --gaps"),
        (["AAPL"], "name symbols and --since T"),
        (["--since", "7d"], "name symbols and --since T"),
        (["AAPL", "--since", "2999-01-01"], "must be before --until"),
        (["AAPL", "--since", "2024-01-02", "--until", "2024-01-02"], "must be before --until"),
        (["--gaps", "--until", "2024-01-02"], "cannot be used with --gaps"),
        (["AAPL", "--since", "7d", "--interval", "1h"], "is not one of"),
    ],
)
def test_wrong_usage_is_reported(arguments: list[str], message: str, checkout: Path) -> None:
    done = stockwire("backfill", *arguments, folder=checkout, environment={"COLUMNS": "200"})
    assert done.returncode == 2
    assert message in " ".join(done.stderr.split())
