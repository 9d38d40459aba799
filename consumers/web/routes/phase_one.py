"""The routes of Stockwire's first API: market prices, and rules `SYMBOL crossing PRICE`."""

from http import HTTPStatus
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from consumers.alerts.conditions.crossing import Crossing
from consumers.alerts.databases import open_stored_alerts
from consumers.alerts.rules.models import EVERY_SYMBOL, Rule
from consumers.alerts.rules.parser import parse_terms
from consumers.alerts.rules.store import list_rules as stored_rules
from consumers.history.queries.symbols import latest_prices
from consumers.web import alert_rules as stored
from consumers.web.answers import json_response
from consumers.web.parameters import answers_of, services_of, settings_of
from consumers.web.problems import Problem, invalid_body
from consumers.web.routes.alert_rules import RuleId
from consumers.web.rule_bodies import NewThreshold, ThresholdChange, number_text, rule_of
from shared.database.engine import reading
from shared.database.reader import Reader
from shared.database.url import DatabaseUrl
from shared.prices import format_price, read_price
from shared.symbols import read_symbol

router = APIRouter()

Document = dict[str, Any]


@router.get("/market-prices", summary="The newest price of each symbol")
async def market_prices(request: Request) -> Response:
    def find(reader: Reader) -> list[Document]:
        return [{"symbol": row.symbol, "price": format_price(row.price)} for row in latest_prices(reader)]

    return await answers_of(request).json(request, find)


@router.get("/alert-rules", summary="All rules SYMBOL crossing PRICE")
def list_rules(request: Request) -> Response:
    with open_stored_alerts(settings_of(request).alerts_url) as engine:
        found = [_document(rule) for rule in stored_rules(engine) if _is_threshold(rule)] if engine else []
    return json_response(request, found)


@router.post("/alert-rules", status_code=HTTPStatus.CREATED, summary="Add a rule SYMBOL crossing PRICE")
def add_rule(request: Request, body: NewThreshold) -> Response:
    rule = rule_of({"name": body.name, "when": _terms(body.symbol, number_text(body.threshold_price))})
    url = settings_of(request).alerts_url
    added = stored.add(url, rule, services_of(request).past_prices)
    location = {"Location": f"/alert-rules/{added['id']}"}
    return json_response(request, _read(url, added["id"]), status=HTTPStatus.CREATED, headers=location)


@router.get("/alert-rules/{rule_id}", summary="A rule SYMBOL crossing PRICE")
def show_rule(request: Request, rule_id: RuleId) -> Response:
    return json_response(request, _read(settings_of(request).alerts_url, rule_id))


@router.patch("/alert-rules/{rule_id}", summary="Change parts of a rule SYMBOL crossing PRICE")
def change_rule(request: Request, rule_id: RuleId, body: ThresholdChange) -> Response:
    url = settings_of(request).alerts_url
    old = _read(url, rule_id)
    threshold = old["threshold_price"] if body.threshold_price is None else number_text(body.threshold_price)
    changes = {"name": body.name or old["name"], "when": _terms(body.symbol or old["symbol"], threshold)}
    stored.change(url, rule_id, changes, services_of(request).past_prices)
    return json_response(request, _read(url, rule_id))


@router.delete("/alert-rules/{rule_id}", status_code=HTTPStatus.NO_CONTENT, summary="Remove a rule")
def remove_rule(request: Request, rule_id: RuleId) -> Response:
    url = settings_of(request).alerts_url
    _read(url, rule_id)
    stored.remove(url, rule_id)
    return Response(status_code=HTTPStatus.NO_CONTENT)


def _terms(symbol: str, threshold: str) -> str:
    """Return the line of a rule. Raises Problem with the member that is wrong."""
    for pointer, parse, text in (("#/symbol", read_symbol, symbol), ("#/threshold_price", read_price, threshold)):
        try:
            parse(text)
        except ValueError as error:
            raise invalid_body(pointer, error) from error
    return str(parse_terms(f"{symbol.strip()} crossing {threshold.strip()}"))


def _read(url: DatabaseUrl, rule_id: int) -> Document:
    """Return a rule. Raises Problem if there is none, or one of another form."""
    with open_stored_alerts(url) as engine:
        if engine is None:
            raise stored.no_rule(rule_id)
        with reading(engine) as connection:
            rule = stored.require_rule(connection, rule_id)
    if not _is_threshold(rule):
        raise Problem(
            HTTPStatus.NOT_FOUND,
            f"rule {rule_id} is no rule `SYMBOL crossing PRICE`, but `{rule.terms}`: see /v1/alert-rules/{rule_id}",
        )
    return _document(rule)


def _is_threshold(rule: Rule) -> bool:
    return type(rule.condition) is Crossing and rule.terms.symbol != EVERY_SYMBOL


def _document(rule: Rule) -> Document:
    threshold = rule.condition.threshold
    return {
        "id": rule.id,
        "name": rule.name,
        "threshold_price": None if threshold is None else format_price(threshold),
        "symbol": rule.terms.symbol,
    }
