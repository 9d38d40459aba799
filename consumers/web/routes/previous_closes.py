"""GET /v1/previous-closes: what the change of a day counts from."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from consumers.history.queries.buckets import MARKET, make_buckets
from consumers.history.queries.previous_closes import previous_closes
from consumers.history.queries.symbols import latest_prices
from consumers.history.timeframes import Timeframe
from consumers.web.live.feed import LiveFeed
from consumers.web.parameters import answers_of, settings_of
from consumers.web.problems import parse_parameter
from shared.database.reader import Reader
from shared.settings import parse_symbols

router = APIRouter()


@router.get("/v1/previous-closes", summary="The close of each symbol on the trading date before its newest price")
async def closes(
    request: Request,
    symbols: Annotated[
        str | None, Query(description="Comma-separated; without it, all stored symbols.", examples=["AAPL,MSFT"])
    ] = None,
) -> Response:
    wanted = parse_parameter("symbols", parse_symbols, symbols) if symbols else ()
    market = settings_of(request).market
    live: LiveFeed = request.app.state.live

    def find(reader: Reader) -> dict[str, Any]:
        days = make_buckets(Timeframe(1, "d"), MARKET if market else None, market)
        newest = latest_prices(reader, wanted)
        told = {row.symbol: close for row in newest if (close := live.previous_close(row))}
        return {"previous_closes": previous_closes(reader, newest, days) | told}

    return await answers_of(request).json(request, find)
