"""POST /v1/alert-rules/dry-run: a rule through the live engine over the stored prices, without any effect."""

from dataclasses import replace
from datetime import datetime

from fastapi import APIRouter, Request
from pydantic import Field, StrictStr

from consumers.web.dry_run import DryRun
from consumers.web.parameters import services_of
from consumers.web.problems import invalid_body
from consumers.web.rule_bodies import RuleOptions, rule_of, table_of
from shared.errors import SettingsError
from shared.times import parse_moment, utc_now

DEFAULT_SINCE = "365d"

router = APIRouter()


class TriedRule(RuleOptions):
    """A rule as it would be added, and the time from which on stored prices are tried."""

    name: StrictStr | None = Field(None, description="Not needed, and not checked.")
    when: StrictStr = Field(description="Symbol and condition.", examples=["AAPL crossing up 200"])
    since: StrictStr = Field(DEFAULT_SINCE, description="A date or time, or an age such as 30d.")


@router.post("/v1/alert-rules/dry-run", summary="When a rule would have fired on the stored prices")
def dry_run(request: Request, body: TriedRule) -> DryRun:
    table = table_of(body)
    # A rule that is being written may have no name yet.
    tried = rule_of({**table, "name": "dry run", "since": None})
    rule = replace(tried, name=str(tried.terms))
    since = _parse_since(body.since, utc_now())
    try:
        return services_of(request).dry_run(rule, since)
    except SettingsError as error:
        # The history does not keep what the condition needs.
        raise invalid_body("#/when", error) from error


def _parse_since(text: str, now: datetime) -> datetime:
    try:
        return parse_moment(text, now)
    except ValueError as error:
        raise invalid_body("#/since", error) from error
