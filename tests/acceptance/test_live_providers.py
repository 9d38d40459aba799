"""Every live provider, played by a real HTTP server, through Celery and RabbitMQ into price_history."""

import contextlib
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from importlib import import_module
from pathlib import Path

import pytest

from shared.accounts import ACCOUNTS
from shared.messaging.address import BrokerAddress
from tests.celery_worker import CELERY, results
from tests.fake_http_server import Answer, FakeHttpServer, Request, Script, always, fake_http_server
from tests.forked_processes import forked, stockwire
from tests.processes import Process, running, until
from tests.queues import declare

KEY = "test-key"
PRICES = {"AAPL": "187.44", "BRK.B": "412.35"}
WORKER = (*CELERY, "worker", "--beat", "--loglevel=debug")

Environment = dict[str, str]
Start = Callable[..., AbstractContextManager[Process]]


def play(provider: str) -> Script:
    """Return the script of tests/fake_apis/PROVIDER.py, which answers with PRICES."""
    answer = import_module(f"tests.fake_apis.{provider}").answer
    return lambda request: answer(request, PRICES)  # type: ignore[no-any-return]


@contextmanager
def playing(*providers: str, script: Script | None = None) -> Iterator[tuple[FakeHttpServer, Environment]]:
    """Yield a server for the first of these providers, and the settings that use the providers."""
    with fake_http_server(script or play(providers[0])) as server:
        yield server, {"PROVIDER": ",".join(providers), **account(providers[0], server)}


def account(provider: str, server: FakeHttpServer) -> Environment:
    name = provider.upper()
    return {f"{name}_URL": server.url, f"{name}_KEY": KEY}


@pytest.fixture
def settings(checkout: Path, broker: BrokerAddress) -> Callable[[Environment], Environment]:
    """Return a function that turns settings into environment variables."""

    def made(more: Environment) -> Environment:
        defaults = {"AMQP_URL": broker.url(), "SYMBOLS": ",".join(PRICES), "SCHEDULE": "1h"}
        return {f"STOCKWIRE_{name}": value for name, value in {**defaults, **more}.items()}

    return made


@pytest.fixture
def start(checkout: Path, settings: Callable[[Environment], Environment]) -> Start:
    def started(*command: str, **more: str) -> AbstractContextManager[Process]:
        return forked(*(command or WORKER), environment={**settings(more), "PYTHONPATH": ""}, folder=checkout)

    return started


def stored(checkout: Path) -> list[tuple[str, float, str]]:
    """Return symbol, price and provider of each row, read with sqlite3 alone."""
    path = checkout / "var" / "history.db"
    if not path.exists():
        return []
    with contextlib.closing(sqlite3.connect(path)) as database, contextlib.suppress(sqlite3.OperationalError):
        return database.execute("select symbol, price, provider from price_history order by symbol").fetchall()
    return []


@pytest.mark.parametrize("provider", ACCOUNTS)
def test_a_provider_s_prices_come_to_be_history(provider: str, start: Start, checkout: Path) -> None:
    with playing(provider) as (_, more), start("python", "-m", "consumers", "history") as history:
        history.wait_for("consuming stockwire.history")
        with start(**more) as worker:
            until(lambda: len(stored(checkout)) == 2, "two rows")
            until(lambda: results(checkout), "the result")
            assert worker.stop() == 0
            assert KEY not in worker.output
        assert history.stop() == 0
    assert stored(checkout) == [("AAPL", 187.44, provider), ("BRK.B", 412.35, provider)]
    assert results(checkout)[0]["provider"] == provider
    assert KEY.encode() not in (checkout / "var" / "celery.db").read_bytes()
    assert KEY.encode() not in (checkout / "var" / "producer.db").read_bytes()


def test_what_one_provider_lacks_comes_from_the_next(
    settings: Callable[[Environment], Environment], checkout: Path, broker: BrokerAddress
) -> None:
    declare(broker)
    answer = import_module("tests.fake_apis.twelvedata").answer
    only_apple = {"AAPL": PRICES["AAPL"]}
    with playing("twelvedata", "yahoo", script=lambda request: answer(request, only_apple)) as (_, more):  # noqa: SIM117
        with fake_http_server(play("yahoo")) as second:
            environment = settings({**more, **account("yahoo", second)})
            done = stockwire("sync", environment=environment, folder=checkout)
    assert (done.returncode, done.stderr) == (0, "")
    _, first, second_line = [line.split() for line in done.stdout.splitlines()]
    assert (first[0], first[-1]) == ("AAPL", "twelvedata")
    assert (second_line[0], second_line[-1]) == ("BRK.B", "yahoo")


def test_an_old_price_and_an_unknown_currency_are_published_with_a_word_and_a_negative_price_is_refused(
    settings: Callable[[Environment], Environment], checkout: Path, broker: BrokerAddress
) -> None:
    declare(broker)
    odd: dict[str, dict[str, object]] = {
        "DEADX": {"regularMarketTime": 1_583_528_460},
        "COIN-USDT": {"currency": "USDT"},
        "OIL=F": {"regularMarketPrice": -36.98},
    }
    prices = dict.fromkeys(["AAPL", *odd], "187.44")

    def answer(request: Request) -> Answer:
        found = import_module("tests.fake_apis.yahoo").answer(request, prices)
        meta = found.body["chart"]["result"][0]["meta"]
        meta.update(odd.get(meta["symbol"], {}))
        return found  # type: ignore[no-any-return]

    with playing("yahoo", script=answer) as (_, more):
        done = stockwire("sync", environment=settings({**more, "SYMBOLS": ",".join(prices)}), folder=checkout)
    assert done.returncode == 1
    assert [line.split()[0] for line in done.stdout.splitlines()] == ["symbol", "AAPL", "DEADX", "COIN-USDT"]
    assert done.stderr.splitlines() == [
        "DEADX: the price is years old, of 2020-03-06T21:01:00Z: the symbol may be halted or delisted",
        "COIN-USDT: the currency 'USDT' is not an active one of ISO 4217: published without a currency",
        "OIL=F failed: Yahoo Finance sent an invalid response: the price '-36.98' is negative",
    ]


def test_a_key_that_is_refused_is_said_once_and_not_retried(
    start: Start, checkout: Path, broker: BrokerAddress
) -> None:
    declare(broker)
    refused = Answer({"code": 401, "message": f"**apikey** {KEY} is incorrect", "status": "error"}, 401)
    with playing("twelvedata", script=always(refused)) as (server, more), start(**more) as worker:
        until(lambda: "FAILURE" in worker.output or "raised expected" in worker.output, "the sync to fail")
        worker.wait_for("Twelve Data rejected the key in STOCKWIRE_TWELVEDATA_KEY: **apikey** *** is incorrect")
        assert worker.stop() == 0
        assert len(server.requests) == 1
        assert KEY not in worker.output
        assert "Traceback" not in worker.output
    assert KEY.encode() not in (checkout / "var" / "celery.db").read_bytes()


def test_a_key_that_is_refused_is_said_though_another_provider_stands_in(
    settings: Callable[[Environment], Environment], checkout: Path, broker: BrokerAddress
) -> None:
    declare(broker)
    refused = Answer({"error": f"{KEY} is no API key"}, 401)
    with playing("finnhub", "yahoo", script=always(refused)) as (_, more), fake_http_server(play("yahoo")) as second:
        environment = settings({**more, **account("yahoo", second)})
        done = stockwire("sync", environment=environment, folder=checkout)
    assert [line.split()[-1] for line in done.stdout.splitlines()[1:]] == ["yahoo", "yahoo"]
    assert done.stderr == "Finnhub rejected the key in STOCKWIRE_FINNHUB_KEY: *** is no API key\n"
    assert done.returncode == 0


def test_a_sync_waits_for_the_minute_where_there_is_time(
    start: Start, checkout: Path, broker: BrokerAddress, settings: Callable[[Environment], Environment]
) -> None:
    """The second command has a shorter schedule, so that no time is left to wait for the next minute."""
    declare(broker)
    with playing("finnhub") as (server, more), start(**more, FINNHUB_PER_MINUTE="1") as worker:
        until(lambda: results(checkout, "RETRY"), "the sync to wait")
        assert len(server.requests) == 1
        worker.wait_for("Retry in ")
        assert worker.stop() == 0
    environment = settings({**more, "FINNHUB_PER_MINUTE": "1", "SCHEDULE": "10s"})
    with fake_http_server(play("finnhub")) as second:
        environment["STOCKWIRE_FINNHUB_URL"] = second.url
        done = stockwire("sync", environment=environment, folder=checkout)
    assert done.returncode == 1
    assert [line.split()[0] for line in done.stdout.splitlines()] == ["symbol", "AAPL"]
    assert done.stderr.startswith("BRK.B failed: Finnhub's quota of 1 per minute")


def test_a_key_that_is_missing_is_one_line(settings: Callable[[Environment], Environment], checkout: Path) -> None:
    for command in (("sync",), ("up",)):
        done = stockwire(*command, environment=settings({"PROVIDER": "twelvedata"}), folder=checkout)
        assert done.returncode == 1
        assert done.stderr.startswith("stockwire: STOCKWIRE_TWELVEDATA_KEY is not set")
        assert len(done.stderr.splitlines()) == 1


def test_up_says_why_there_are_no_prices(settings: Callable[[Environment], Environment], checkout: Path) -> None:
    refused = Answer({"error": "Invalid API key"}, 401)
    with playing("finnhub", script=always(refused)) as (_, more):
        environment = settings({**more, "FINNHUB_PER_DAY": "25"})
        with running("./stockwire", "up", "--for", "30s", environment=environment, folder=checkout) as up:
            up.wait_for("the sync failed: AAPL, BRK.B without a price: Finnhub rejected the key")
            assert up.stop() == 0
