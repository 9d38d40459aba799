"""GET /v1/previous-closes: what the change of a day counts from."""

from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from consumers.history.queries.buckets import MARKET, make_buckets
from consumers.history.queries.previous_closes import previous_closes
from consumers.history.queries.symbols import latest_prices
from consumers.history.timeframes import Timeframe
from consumers.web.live.feed import LiveFeed
from consumers.web.parameters import Symbols, answers_of, parse_symbol_list, settings_of
from shared.database.reader import Reader

router = APIRouter()


@router.get("/v1/previous-closes", summary="The close of each symbol on the trading date before its newest price")
async def closes(request: Request, symbols: Symbols = None) -> Response:
    wanted = parse_symbol_list(symbols)
    market = settings_of(request).market
    live: LiveFeed = request.app.state.live

    def find(reader: Reader) -> dict[str, Any]:
        days = make_buckets(Timeframe(1, "d"), MARKET if market else None, market)
        newest = latest_prices(reader, wanted)
        told = {row.symbol: close for row in newest if (close := live.previous_close(row))}
        return {"previous_closes": previous_closes(reader, newest, days) | told}

    return await answers_of(request).json(request, find)
