"""The routes of alert rules: list, add, show, change, remove, silence and acknowledge."""

from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request
from starlette.responses import Response

from consumers.alerts.databases import open_alerts_database
from consumers.alerts.rules.changes import acknowledge_rule
from consumers.alerts.rules.option_texts import parse_later
from consumers.alerts.rules.parser import parse_symbol as parse_rule_symbol
from consumers.alerts.rules.store import silence_rule
from consumers.web import alert_rules as stored
from consumers.web.answers import csv_response, json_response, wants_csv
from consumers.web.page_tokens import MAX_ID, decode_page_token, encode_page_token
from consumers.web.parameters import DEFAULT_LIMIT, Limit, PageToken, services_of, settings_of
from consumers.web.problems import Problem, invalid_body, invalid_parameter, parse_parameter
from consumers.web.rule_bodies import NewRule, RuleChange, Silence, rule_of, table_of
from shared.errors import SettingsError
from shared.times import utc_now

_KIND = "rules"
_COLUMNS = (
    *("id", "name", "when", "state", "since", "last_price", "distance", "fired", "created_at", "frequency", "for"),
    *("rearm", "on_arm", "expires", "notify", "resolved", "message", "enabled", "silenced_until"),
)

RuleId = Annotated[int, Path(ge=1, le=MAX_ID, description="The id that the list of rules shows.")]

router = APIRouter()


@router.get("/v1/alert-rules", summary="All alert rules with their states, oldest first")
def list_rules(
    request: Request,
    symbol: Annotated[str | None, Query(description="Only rules that look at this symbol, also those on `*`.")] = None,
    limit: Limit = DEFAULT_LIMIT,
    page_token: PageToken = None,
) -> Response:
    name = None if symbol is None else parse_parameter("symbol", parse_rule_symbol, symbol)
    found = stored.list_documents(settings_of(request).alerts_url, _decode(page_token), limit + 1, name)
    if wants_csv(request):
        return csv_response(_COLUMNS, ({**row, "notify": " ".join(row["notify"])} for row in found[:limit]))
    token = encode_page_token(_KIND, [found[limit - 1]["id"]]) if len(found) > limit else None
    return json_response(request, {"rules": found[:limit], "next_page_token": token})


@router.post("/v1/alert-rules", status_code=HTTPStatus.CREATED, summary="Add an alert rule")
def add_rule(request: Request, body: NewRule) -> Response:
    past_prices = services_of(request).past_prices
    added = stored.add(settings_of(request).alerts_url, rule_of(table_of(body)), past_prices)
    return json_response(
        request, added, status=HTTPStatus.CREATED, headers={"Location": f"/v1/alert-rules/{added['id']}"}
    )


@router.get("/v1/alert-rules/{rule_id}", summary="An alert rule with its state")
def show_rule(request: Request, rule_id: RuleId) -> Response:
    return json_response(request, stored.read_document(settings_of(request).alerts_url, rule_id))


@router.patch("/v1/alert-rules/{rule_id}", summary="Change parts of an alert rule")
def change_rule(request: Request, rule_id: RuleId, body: RuleChange) -> Response:
    changes = table_of(body)
    if missing := next((key for key in ("name", "when") if key in changes and changes[key] is None), None):
        raise invalid_body(f"#/{missing}", f"a rule cannot be without {missing}")
    url, past_prices = settings_of(request).alerts_url, services_of(request).past_prices
    return json_response(request, stored.change(url, rule_id, changes, past_prices))


@router.delete("/v1/alert-rules/{rule_id}", status_code=HTTPStatus.NO_CONTENT, summary="Remove an alert rule")
def remove_rule(request: Request, rule_id: RuleId) -> Response:
    stored.remove(settings_of(request).alerts_url, rule_id)
    return Response(status_code=HTTPStatus.NO_CONTENT)


@router.post("/v1/alert-rules/{rule_id}/silence", summary="Send the alerts of a rule to nobody until a time")
def silence(request: Request, rule_id: RuleId, body: Silence) -> Response:
    url = settings_of(request).alerts_url
    name = stored.name_of(url, rule_id)
    try:
        until = None if body.until is None or body.until.lower() == "off" else parse_later(body.until, utc_now())
    except ValueError as error:
        raise invalid_body("#/until", error) from error
    with open_alerts_database(url) as engine:
        silence_rule(engine, name, until)
    return _shown(request, rule_id)


@router.post("/v1/alert-rules/{rule_id}/ack", summary="Acknowledge a rule that is firing")
def acknowledge(request: Request, rule_id: RuleId) -> Response:
    url = settings_of(request).alerts_url
    name = stored.name_of(url, rule_id)
    try:
        with open_alerts_database(url) as engine:
            acknowledge_rule(engine, name)
    except SettingsError as error:
        raise Problem(HTTPStatus.CONFLICT, str(error)) from error
    return _shown(request, rule_id)


def _shown(request: Request, rule_id: int) -> Response:
    document: dict[str, Any] = stored.read_document(settings_of(request).alerts_url, rule_id)
    return json_response(request, document)


def _decode(token: str | None) -> int:
    if token is None:
        return 0
    [after] = decode_page_token(_KIND, token, (int,))
    if not 0 <= after <= MAX_ID:
        raise invalid_parameter("page_token", "is of no rule")
    return int(after)
