"""GET /v1/latest: the newest price of each symbol."""

from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from consumers.history.queries.comparable import symbols_with_prices
from consumers.history.queries.rows import PRICE_HISTORY_COLUMNS, PriceRow
from consumers.history.queries.symbols import latest_prices
from consumers.web.answers import wants_csv
from consumers.web.parameters import Symbols, answers_of, parse_symbol_list, unknown_symbol
from shared.database.reader import Reader

router = APIRouter()


@router.get("/v1/latest", summary="The newest price of each symbol")
async def latest(request: Request, symbols: Symbols = None) -> Response:
    wanted = parse_symbol_list(symbols)

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
