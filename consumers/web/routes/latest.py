"""GET /v1/latest: the newest price of each symbol."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from consumers.history.queries.comparable import symbols_with_prices
from consumers.history.queries.rows import PRICE_HISTORY_COLUMNS, PriceRow
from consumers.history.queries.symbols import latest_prices
from consumers.web.answers import wants_csv
from consumers.web.parameters import answers_of, unknown_symbol
from consumers.web.problems import invalid_parameter, parse_parameter
from shared.database.reader import Reader
from shared.settings import parse_symbols

MAX_SYMBOLS = 1000

router = APIRouter()


@router.get("/v1/latest", summary="The newest price of each symbol")
async def latest(
    request: Request,
    symbols: Annotated[
        str | None, Query(description="Comma-separated; without it, all stored symbols.", examples=["AAPL,MSFT"])
    ] = None,
) -> Response:
    wanted = parse_parameter("symbols", parse_symbols, symbols) if symbols else ()
    if len(wanted) > MAX_SYMBOLS:
        raise invalid_parameter("symbols", f"names {len(wanted)} symbols: use at most {MAX_SYMBOLS}")

    def find(reader: Reader) -> list[PriceRow]:
        found = latest_prices(reader, wanted)
        stored = {row.symbol for row in found}
        for symbol in wanted:
            if symbol not in stored:
                raise unknown_symbol(symbol, symbols_with_prices(reader))
        return found

    if wants_csv(request):
        return await answers_of(request).csv(PRICE_HISTORY_COLUMNS, find)

    def page(reader: Reader) -> dict[str, Any]:
        return {"prices": [row.fields() for row in find(reader)], "next_page_token": None}

    return await answers_of(request).json(request, page)
