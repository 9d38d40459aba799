"""The watch list: GET and POST /v1/watch, DELETE /v1/watch/{symbol}. The next sync uses the changed list."""

from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from consumers.web.parameters import SymbolPath, parse_symbol, services_of
from consumers.web.problems import Problem, invalid_body
from consumers.web.services import WatchedSymbol
from shared.symbols import read_symbol

router = APIRouter()


@dataclass(frozen=True)
class WatchList:
    symbols: list[WatchedSymbol]


class NewSymbol(BaseModel):
    model_config = ConfigDict(extra="forbid")

    symbol: Annotated[str, Field(max_length=64, examples=["AAPL"])]


@router.get("/v1/watch", summary="The symbols that are synced, and the source of each: setting or added")
def watched(request: Request) -> WatchList:
    return WatchList(services_of(request).watched())


@router.post("/v1/watch", summary="Add a symbol to the watch list", status_code=HTTPStatus.CREATED)
def watch(request: Request, response: Response, body: NewSymbol) -> WatchList:
    """Return the new list. 200 instead of 201 says that the symbol was on the list already."""
    try:
        symbol = read_symbol(body.symbol)
    except ValueError as error:
        raise invalid_body("#/symbol", error) from error
    if not services_of(request).watch(symbol):
        response.status_code = HTTPStatus.OK
    return WatchList(services_of(request).watched())


@router.delete("/v1/watch/{symbol:path}", summary="Remove a symbol from the watch list")
def unwatch(request: Request, symbol: SymbolPath) -> WatchList:
    """Return the new list. The last symbol cannot be removed."""
    name = parse_symbol(symbol)
    if not services_of(request).unwatch(name):
        raise Problem(HTTPStatus.NOT_FOUND, f"{name} is not on the watch list")
    return WatchList(services_of(request).watched())
