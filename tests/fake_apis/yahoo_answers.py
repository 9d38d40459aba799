"""Yahoo's recorded answers, as recorded or changed, and as our API reads them."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from producer.providers.base import Interval, Quote, QuoteResults
from producer.providers.http.apis.base import HistoricalApi
from producer.providers.http.apis.yahoo import Yahoo
from producer.providers.http.parsing import parse_json
from shared.errors import ProviderError
from tests.fake_http_server import recorded

YAHOO: HistoricalApi = Yahoo()
AT = datetime(2024, 11, 20, 14, 54, tzinfo=UTC)
NOVEMBER = datetime(2024, 11, 1, tzinfo=UTC), datetime(2024, 12, 1, tzinfo=UTC)
MANY = [f"S{number}" for number in range(19)]


def recorded_json(name: str) -> Any:
    return parse_json(recorded("yahoo", name))


def read_chart(symbol: str, answer: Any, at: datetime = AT) -> Quote | ProviderError:
    (call,) = YAHOO.quote_requests([symbol], at)
    return call.read(answer)[symbol]


def read_spark(symbols: Sequence[str], answer: Any) -> QuoteResults:
    first, _ = YAHOO.quote_requests([*symbols, *MANY[: 20 - len(symbols)], "LAST"], AT)
    found = first.read(answer)
    return {symbol: found[symbol] for symbol in symbols}


def read_history(interval: Interval, answer: Any, symbol: str = "AAPL") -> Sequence[Any]:
    return YAHOO.history_request(symbol, interval, *NOVEMBER).read(answer)


def with_meta(name: str, **fields: Any) -> Any:
    answer = recorded_json(name)
    answer["chart"]["result"][0]["meta"].update(fields)
    return answer
