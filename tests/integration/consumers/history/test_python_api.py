"""The stored prices in Python: typed rows, Arrow tables and DataFrames, beside a consumer that writes."""

import sys
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.engine import URL
from typer.testing import CliRunner

from consumers.history import CandleRow, History, PriceRow, SymbolRow, open_history
from consumers.history.store import PriceStore
from consumers.history.tables import SCHEMA
from infra.cli import cli
from shared.database.engine import opened
from shared.database.schema import create_schema
from shared.errors import HistoryClosed, InvalidQuery, MissingLibrary, StorageError
from tests.event_factories import AS_OF, changed, price_series, stock_data

MIDNIGHT = datetime(2024, 11, 20, tzinfo=UTC)
PRICES = ["187.44", "0.000000123456789012345", "123456789012345", "200"]
BARS = [
    changed(stock_data("MSFT", price, MIDNIGHT + timedelta(days=day), "yahoo", interval="1d"), volume=10 + day)
    for day, price in enumerate(["4", "2", "8"])
]


@pytest.fixture
def url(database_url: URL) -> str:
    with opened(database_url) as engine:
        create_schema(engine, SCHEMA)
        PriceStore(engine).save([*price_series(PRICES), *BARS])
    return database_url.render_as_string(hide_password=False)


@pytest.fixture
def history(url: str) -> Iterator[History]:
    with open_history(url) as history:
        yield history


def test_rows_are_typed(history: History) -> None:
    price = next(history.prices("AAPL"))
    assert price == PriceRow("AAPL", AS_OF, Decimal("187.44"), "USD", None, "simulated", price.observed_at, None)
    assert [str(row.price) for row in history.prices("aapl", limit=1)] == ["200"]
    assert list(history.candles("MSFT", every="1mo")) == [
        CandleRow("MSFT", MIDNIGHT.replace(day=1), Decimal(4), Decimal(8), Decimal(2), Decimal(8), 33, 3)
    ]
    assert [(row.symbol, row.price) for row in history.latest()] == [("AAPL", 200), ("MSFT", 8)]
    assert list(history.symbols(count=True)) == [
        SymbolRow("AAPL", "simulated", None, AS_OF, AS_OF + timedelta(seconds=3), 4),
        SymbolRow("MSFT", "yahoo", "1d", MIDNIGHT, MIDNIGHT + timedelta(days=2), 3),
    ]
    assert list(history.prices("XYZ")) == []


@pytest.mark.parametrize(
    "since",
    [
        MIDNIGHT + timedelta(days=1),
        (MIDNIGHT + timedelta(days=1)).replace(tzinfo=None),
        (MIDNIGHT + timedelta(days=1)).astimezone(),
        date(2024, 11, 21),
        "2024-11-21",
        "20241121000000Z",
    ],
    ids=str,
)
def test_a_time_may_be_a_datetime_a_date_or_text(history: History, since: datetime | date | str) -> None:
    assert [row.price for row in history.prices(["AAPL", "MSFT"], since=since)] == [2, 8]
    assert [row.price for row in history.prices("MSFT", until=since)] == [4]
    assert [row.samples for row in history.candles("MSFT", every="1w", since=since)] == []


def test_prices_are_adjusted_and_filled_on_request(history: History, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STOCKWIRE_HISTORY_URL", url)
    done = CliRunner().invoke(cli, ["splits", "add", "MSFT", "2024-11-22", "2:1"])
    assert done.exit_code == 0, done.output
    with open_history() as history:
        assert [row.price for row in history.prices("MSFT", adjusted=True)] == [2, 1, 8]
        assert [row.close for row in history.candles("MSFT", "1d", adjusted=True, fill=True)] == [2, 1, 8]
        [candle] = history.candles("MSFT", "1mo", tz="America/New_York")
        assert candle.start == datetime(2024, 11, 1, 4, tzinfo=UTC)


def test_an_arrow_table_has_every_digit(history: History) -> None:
    pytest.importorskip("pyarrow", reason="pyarrow comes with requirements-analysis.txt")
    table = history.prices(["AAPL", "MSFT"]).to_arrow()
    assert table["price"].to_pylist() == [*map(Decimal, PRICES), 4, 2, 8]
    assert table["as_of"].to_pylist()[-1] == MIDNIGHT + timedelta(days=2)
    assert table["interval"].to_pylist() == [None] * 4 + ["1d"] * 3
    assert str(history.latest("MSFT").to_arrow().schema.field("price").type) == "decimal128(38, 8)"
    assert history.prices("XYZ").to_arrow().num_rows == 0
    assert history.symbols().to_arrow()["first"].to_pylist() == [AS_OF, MIDNIGHT]


def test_a_pandas_frame_has_the_values_of_the_rows(history: History) -> None:
    pytest.importorskip("pandas", reason="pandas comes with requirements-market.txt")
    rows = list(history.prices(["AAPL", "MSFT"]))
    frame = history.prices(["AAPL", "MSFT"]).to_pandas()
    assert list(map(str, frame.dtypes[["as_of", "price", "volume"]])) == ["datetime64[us, UTC]", "float64", "Int64"]
    assert [Decimal(repr(price)) for price in frame["price"].tolist()] == [row.price for row in rows]
    assert [moment.to_pydatetime() for moment in frame["as_of"]] == [row.as_of for row in rows]
    assert frame["volume"].isna().tolist() == [True] * 4 + [False] * 3
    assert history.prices("AAPL").to_pandas(decimals=True)["price"].tolist() == list(map(Decimal, PRICES))
    candles = history.candles("MSFT", every="1d").to_pandas()
    assert candles["close"].tolist() == [4, 2, 8]
    assert history.prices("XYZ").to_pandas().shape == (0, 8)


def test_a_polars_frame_has_the_values_of_the_rows(history: History) -> None:
    polars = pytest.importorskip("polars", reason="polars comes with requirements-dev.txt")
    rows = list(history.prices(["AAPL", "MSFT"]))
    frame = history.prices(["AAPL", "MSFT"]).to_polars()
    assert frame.schema["as_of"] == polars.Datetime("us", "UTC")
    assert frame["as_of"].to_list() == [row.as_of for row in rows]
    assert [Decimal(repr(price)) for price in frame["price"].to_list()] == [row.price for row in rows]
    assert frame["volume"].to_list() == [row.volume for row in rows]
    pytest.importorskip("pyarrow", reason="pyarrow comes with requirements-analysis.txt")
    assert history.prices("AAPL").to_polars(decimals=True)["price"].to_list() == list(map(Decimal, PRICES))


@pytest.mark.parametrize(
    ("library", "method"), [("pandas", "to_pandas"), ("polars", "to_polars"), ("pyarrow", "to_arrow")]
)
def test_a_missing_library_is_named(
    history: History, library: str, method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(MissingLibrary, match=rf"library {library}, which is not installed: \.venv/bin/python -m pip"):
        getattr(history.latest(), method)()


def test_prices_that_the_consumer_stores_meanwhile_are_read(url: str, database_url: URL) -> None:
    with open_history(url) as history, opened(database_url) as engine:
        rows = history.prices("AAPL")
        assert next(rows).price == Decimal("187.44")
        PriceStore(engine).save([stock_data(price="9", as_of=AS_OF + timedelta(hours=1))])
        assert len(list(rows)) == 3
        assert next(history.latest("AAPL")).price == 9


def test_a_closed_history_is_an_error(url: str) -> None:
    history = open_history(url)
    rows, frames = history.prices("AAPL"), history.prices("AAPL")
    next(rows)
    history.close()
    history.close()
    for use in (lambda: next(rows), frames.to_pandas, history.latest().to_pandas, lambda: next(history.symbols())):
        with pytest.raises(HistoryClosed, match="open it again"):
            use()


WRONG: list[tuple[str, dict[str, Any], str]] = [
    ("prices", {"symbols": "AMpB"}, "mixes upper and lower case"),
    ("prices", {"symbols": "AAPL", "since": "yesterday"}, "neither a date or time"),
    ("prices", {"symbols": "AAPL", "since": 5}, "5 is not a time"),
    ("prices", {"symbols": "AAPL", "limit": 0}, "must be at least 1"),
    ("candles", {"symbols": "AAPL", "every": "1x"}, "is not a timeframe"),
    ("candles", {"symbols": "AAPL", "every": "1d", "tz": "Mars/Base"}, "or market"),
]


@pytest.mark.parametrize(("method", "arguments", "reason"), WRONG, ids=lambda value: str(value)[:40])
def test_a_wrong_question_is_answered_at_once(
    history: History, method: str, arguments: dict[str, Any], reason: str
) -> None:
    with pytest.raises(InvalidQuery, match=reason):
        getattr(history, method)(**arguments)


def test_a_file_is_opened_by_its_path_and_a_missing_one_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(StorageError, match=r"there is no history in .*prices\.db yet"):
        open_history("prices.db")
    assert not (tmp_path / "prices.db").exists()
    with opened(URL.create("sqlite", database=str(tmp_path / "prices.db"))) as engine:
        create_schema(engine, SCHEMA)
        PriceStore(engine).save(BARS)
    for path in ("prices.db", tmp_path / "prices.db"):
        with open_history(path) as history:
            assert [row.symbol for row in history.latest()] == ["MSFT"]
