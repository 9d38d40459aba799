"""`./stockwire plan` as a process: its output for a watch list, a market and the credits spent today."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from producer.providers.http.apis.twelvedata import TwelveData
from producer.providers.http.provider import HttpProvider
from producer.providers.http.quota import reserve
from producer.state import open_state
from shared.accounts import ACCOUNTS
from shared.database.engine import writing
from shared.times import utc_now
from tests.forked_processes import stockwire

Done = subprocess.CompletedProcess[str]
Run = Callable[..., Done]

SYMBOLS = "AAPL,MSFT,GOOG,AMZN,META"


@pytest.fixture
def run(checkout: Path) -> Run:
    """Run a command in the checkout to its end, 80 columns wide, with these settings."""

    def ran(*words: str, **settings: str) -> Done:
        environment = {f"STOCKWIRE_{name}": value for name, value in {"SYMBOLS": SYMBOLS, **settings}.items()}
        return stockwire(*words, environment={"COLUMNS": "80", **environment}, folder=checkout)

    return ran


def planned(run: Run, **settings: str) -> list[dict[str, Any]]:
    done = run("plan", "--format", "json", **settings)
    assert (done.returncode, done.stderr) == (0, "")
    rows: list[dict[str, Any]] = json.loads(done.stdout)
    return rows


def test_a_plan_that_does_not_fit_shows_what_would_fit(run: Run, checkout: Path) -> None:
    done = run("plan", PROVIDER="twelvedata")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == (
        "watch list   5 symbols: AAPL, MSFT, GOOG, AMZN, META\n"
        "schedule     5m, around the clock: 288 syncs per day\n"
        "\n"
        "twelvedata   does not fit: it needs 1,440 credits per day, and the plan has 800\n"
        "  per sync   5 symbols in 1 request: 5 credits of 8 per minute\n"
        "  per day    288 syncs: 1,440 credits of 800 (180%); 0 spent today\n"
        "  would fit  2 symbols on this schedule\n"
        "             5 symbols every 9m\n"
        "             the whole watch list at yahoo (no known limit), finnhub (60 credits\n"
        "             per minute), massive (5 credits per minute)\n"
    )
    assert not (checkout / "var").exists()


def test_the_proposals_fit(run: Run) -> None:
    [row] = planned(run, PROVIDER="twelvedata", SYMBOLS="AAPL,MSFT")
    assert (row["fits"], row["most_symbols"], row["exceeded"]) == (True, 2, [])
    [row] = planned(run, PROVIDER="twelvedata", SCHEDULE="9m")
    assert (row["fits"], row["shortest_interval"], row["credits_a_day"]) == (True, "9m", 800)


def test_a_sync_that_does_not_end_before_the_next_does_not_fit(run: Run) -> None:
    done = run("plan", PROVIDER="finnhub", SCHEDULE="1m", FINNHUB_PER_MINUTE="3", YAHOO_PER_MINUTE="1")
    assert "finnhub      does not fit: a sync takes 2 minutes, and the next follows after 1m\n" in done.stdout
    sync = "5 symbols in 5 requests: 5 credits, which take 2 minutes at 3 per minute"
    assert sync in " ".join(done.stdout.split())
    assert "yahoo" not in done.stdout
    done = run("plan", PROVIDER="finnhub", SCHEDULE="5s", FINNHUB_PER_MINUTE="12")
    assert "does not fit: it needs 60 credits per minute, and the plan has 12\n" in done.stdout
    assert "would fit  1 symbol on this schedule\n             5 symbols every 30s\n" in done.stdout


def test_a_market_leaves_more_room_and_a_failover_list_shows_each_provider(run: Run) -> None:
    watched = ",".join(f"S{number}" for number in range(10))
    settings = {"PROVIDER": "twelvedata,yahoo,simulated", "SYMBOLS": watched, "MARKET": "XNYS"}
    done = run("plan", **settings)
    assert "5m while XNYS is open: up to 79 syncs per day" in done.stdout
    order = "twelvedata first, then yahoo, then simulated for failed symbols"
    assert order in " ".join(done.stdout.split())
    assert "twelvedata   fits\n" in done.stdout
    assert "yahoo        fits: no known limit\n" in done.stdout
    assert "simulated    fits: it has no limits\n" in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80
    rows = planned(run, **settings)
    assert [(row["provider"], row["fits"], row["most_symbols"]) for row in rows] == [
        ("twelvedata", True, 10),
        ("yahoo", True, None),
        ("simulated", True, None),
    ]


def test_the_plan_is_for_the_watch_list_and_counts_the_credits_spent_today(run: Run, checkout: Path) -> None:
    run("watch", "add", "IBM")
    account = ACCOUNTS["twelvedata"]
    provider = HttpProvider(TwelveData(), account, checkout / "var")
    with open_state(provider.folder) as engine, writing(engine) as connection:
        reserve(connection, provider.account_name, account, 3, utc_now())
    [row] = planned(run, PROVIDER="twelvedata")
    assert (row["symbols"], row["spent_today"]) == (6, 3)


@pytest.mark.parametrize(
    ("settings", "words"),
    [({"PROVIDER": "nope"}, "'nope' is not a provider"), ({"MARKET": "NOPE"}, "'NOPE' is not a known market")],
)
def test_an_unusable_setting_is_one_line(run: Run, settings: dict[str, str], words: str) -> None:
    done = run("plan", **settings)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert words in done.stderr
