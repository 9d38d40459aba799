"""The bodies of requests that change rules. The keys are those of rule files."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StrictFloat, StrictInt, StrictStr

from consumers.alerts.rules.file_values import Misfit
from consumers.alerts.rules.files import rule_of_table
from consumers.alerts.rules.models import Rule
from consumers.web.problems import invalid_body


def _check_number(given: object) -> object:
    """Return what may be a number. Without this, each type of the union below is an error with a pointer of its own."""
    if isinstance(given, bool) or not isinstance(given, str | int | float):
        raise ValueError("is neither a number nor the text of one")
    return given


Number = Annotated[StrictStr | StrictInt | StrictFloat, BeforeValidator(_check_number)]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class RuleOptions(_Body):
    """The options of a rule. Null removes an option."""

    for_: StrictStr | None = Field(None, alias="for", description="Fire after the condition was true for this time.")
    frequency: StrictStr | None = Field(None, description="`every`, `once` or `once-per:1h`.")
    rearm: Number | None = Field(None, description="Arm again when the price has returned to this price.")
    on_arm: StrictStr | None = Field(None, description="`fire`, or `wait` to skip the first price.")
    expires: StrictStr | None = Field(None, description="Never fire on prices from this time on.")
    notify: list[StrictStr] | None = Field(None, description="Names of targets, never their URLs.")
    resolved: bool | None = Field(None, description="Tell the end of the condition too.")
    message: StrictStr | None = Field(None, description="Text with fields such as `{symbol}` and `{price}`.")
    enabled: bool | None = None


class NewRule(RuleOptions):
    """A rule: its name, its condition, and options."""

    name: StrictStr = Field(examples=["aapl-200"])
    when: StrictStr = Field(description="Symbol and condition.", examples=["AAPL crossing up 200"])


class RuleChange(RuleOptions):
    """The parts of a rule that are to change. What is left out stays as it is."""

    name: StrictStr | None = None
    when: StrictStr | None = None


class Silence(_Body):
    """The end of a silence: a time, a duration from now on such as `2h`, or null to end it at once."""

    until: StrictStr | None = Field(examples=["2h"])


class NewThreshold(_Body):
    """A rule `SYMBOL crossing PRICE`."""

    name: StrictStr = Field(examples=["aapl-200"])
    threshold_price: Number = Field(examples=["200"])
    symbol: StrictStr = Field(examples=["AAPL"])


class ThresholdChange(_Body):
    """The parts of a rule `SYMBOL crossing PRICE` that are to change."""

    name: StrictStr | None = None
    threshold_price: Number | None = None
    symbol: StrictStr | None = None


def table_of(body: RuleOptions) -> dict[str, Any]:
    """Return the keys that were given, as a rule file has them; None for those that are to be removed."""
    given = body.model_dump(by_alias=True, exclude_unset=True)
    if isinstance(given.get("rearm"), float):
        given["rearm"] = Decimal(repr(given["rearm"]))
    return given


def rule_of(table: Mapping[str, Any]) -> Rule:
    """Return the rule with these keys. Raises Problem with the key that is wrong."""
    try:
        return rule_of_table({key: value for key, value in table.items() if value is not None})
    except Misfit as error:
        raise invalid_body(f"#/{error.key}", error) from error


def number_text(number: str | float) -> str:
    """Return the text of a number of a body; a float in its shortest form."""
    return number if isinstance(number, str) else format(Decimal(repr(number)), "f")
