"""A fake Finnhub: one quote per request, zeros for an unknown symbol, and one valid key."""

import time
from collections.abc import Mapping

from tests.fake_http_server import Answer, Request

KEY = "test-key"


def answer(request: Request, prices: Mapping[str, str]) -> Answer:
    if request.headers.get("x-finnhub-token") != KEY:
        return Answer({"error": "Invalid API key."}, 401)
    if request.path != "/quote":
        return Answer({"error": "You don't have access to this resource."}, 403)
    if request.query["symbol"] not in prices:
        return Answer({"c": 0, "d": None, "dp": None, "h": 0, "l": 0, "o": 0, "pc": 0, "t": 0})
    price = float(prices[request.query["symbol"]])
    return Answer({"c": price, "d": 0, "dp": 0, "h": price, "l": price, "o": price, "pc": price, "t": int(time.time())})
