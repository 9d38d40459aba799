"""STOCK_DATA events of about 330 bytes, the same for every side and every run."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import count, islice, product
from string import ascii_uppercase

from shared.events import StockData
from shared.messaging.messages import Message, price_message

PROVIDER = "benchmark"

SYMBOLS = ["".join(letters) for letters in islice(product(ascii_uppercase, repeat=4), 500)]
_START = datetime(2024, 11, 20, 14, 30, tzinfo=UTC)


def price_messages(number: int) -> list[Message]:
    """Return the first `number` events of a fixed sequence: 500 symbols in turn, one second apart."""
    return [price_message(event) for event in islice(_prices(), number)]


def _prices() -> Iterator[StockData]:
    for second in count():
        for place, symbol in enumerate(SYMBOLS):
            yield _price(symbol, second, place)


def _price(symbol: str, second: int, place: int) -> StockData:
    as_of = _START + timedelta(seconds=second)
    return StockData.create(
        symbol=symbol,
        price=Decimal(10_000 + (31 * second + 97 * place) % 5_000).scaleb(-2),
        currency="USD",
        as_of=as_of,
        provider=PROVIDER,
        observed_at=as_of + timedelta(microseconds=3_120_000 + place),
        volume=1_000_000 + 1_000 * second + place,
    )
