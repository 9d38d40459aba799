"""Options that several commands share."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Annotated, TypeVar

import typer

from shared.cli.output import Format
from shared.times import parse_duration, parse_moment, utc_now

Given = TypeVar("Given")
Value = TypeVar("Value")


def usage_parser(parse: Callable[[Given], Value]) -> Callable[[Given], Value]:
    """Return a parser for typer, which reports a ValueError of `parse` as wrong usage."""

    def parsed(given: Given) -> Value:
        try:
            return parse(given)
        except ValueError as error:
            raise typer.BadParameter(str(error)) from error

    return parsed


def _parse_time(text: str) -> datetime:
    return parse_moment(text, utc_now())


FormatOption = Annotated[Format, typer.Option("--format", help="Output format.")]
# SQLite and PostgreSQL have 64 bits for a limit.
LimitOption = Annotated[
    int | None, typer.Option("--limit", min=1, max=2**63 - 1, metavar="N", help="Only the newest N rows.")
]
TimeOption = Annotated[
    datetime | None,
    typer.Option(
        parser=usage_parser(_parse_time),
        metavar="T",
        help="An ISO date or time in UTC, or an age such as 90m, 24h or 7d.",
    ),
]
DurationOption = Annotated[
    timedelta | None,
    typer.Option("--for", parser=usage_parser(parse_duration), metavar="60s", help="Stop after this time."),
]
IntervalOption = Annotated[
    timedelta | None,
    typer.Option(
        "--interval",
        parser=usage_parser(parse_duration),
        metavar="5m",
        help="Expected time between prices. 1d finds missing days.",
    ),
]
