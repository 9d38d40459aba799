"""Daily candles that the database makes of quotes, compared with those made of the quotes one by one."""

import random
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from consumers.history.queries import candles, quote_candles
from consumers.history.queries.candles import read_candles
from consumers.history.queries.rows import Order
from consumers.history.store import PriceStore
from consumers.history.timeframes import Buckets, Timeframe
from shared.database.reader import Reader
from tests.event_factories import stock_data

# The days around it are before and after the epoch.
START = datetime(1969, 12, 25, tzinfo=UTC)


@pytest.mark.parametrize("every", ["1d", "3d"])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"fill": True},
        {"limit": 3},
        {"limit": 3, "order": Order.ASCENDING},
        {"since": START + timedelta(days=3), "until": START + timedelta(days=9)},
        {"since": START + timedelta(days=3, hours=1), "until": START + timedelta(days=9, hours=1)},
        {"until": START},
        {"since": START + timedelta(days=90)},
    ],
    ids=str,
)
def test_the_candles_are_those_of_the_quotes(
    store: PriceStore, reader: Reader, every: str, options: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    walk = random.Random(1)
    moments = {START + timedelta(minutes=walk.randrange(15 * 1440)) for _ in range(120)}
    moments |= {START + timedelta(days=day) for day in (0, 5, 40)}
    prices = ["0.000000123456789012345", "123456789012345", "0.1", "1e-7", "200", "412.35", "1.00000000000001"]
    store.save([stock_data("AAPL", Decimal(walk.choice(prices)), each, "yahoo") for each in sorted(moments)])
    buckets = Buckets(Timeframe.parse(every))
    monkeypatch.setattr(quote_candles, "_BUCKETS_PER_PART", 4)
    found = list(read_candles(reader, "AAPL", buckets, **options))
    # No bucket is long enough for the database then.
    monkeypatch.setattr(candles, "_DAY_IN_MICROSECONDS", 2**62)
    assert found == list(read_candles(reader, "AAPL", buckets, **options))
    assert found or "since" in options or "until" in options
