"""GET /v1/symbols: what is stored."""

from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from consumers.history.queries.rows import SYMBOL_COLUMNS
from consumers.history.queries.symbols import stored_symbols
from consumers.web.answers import wants_csv
from consumers.web.parameters import answers_of
from shared.database.reader import Reader

# To count the rows would take seconds.
_COLUMNS = SYMBOL_COLUMNS[:-1]

router = APIRouter()


@router.get("/v1/symbols", summary="The stored symbols by provider and interval, with first and last time")
async def symbols(request: Request) -> Response:
    if wants_csv(request):
        return await answers_of(request).csv(_COLUMNS, stored_symbols)

    def find(reader: Reader) -> dict[str, Any]:
        rows = (row.fields() for row in stored_symbols(reader))
        return {"symbols": [{column: row[column] for column in _COLUMNS} for row in rows]}

    return await answers_of(request).json(request, find)
