"""Options that several commands share."""

from datetime import datetime, timedelta
from typing import Annotated

import typer

from shared.cli.output import Format
from shared.times import parse_duration, parse_moment, utc_now


def _parse_time(text: str) -> datetime:
    try:
        return parse_moment(text, utc_now())
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


def _parse_duration(text: str) -> timedelta:
    try:
        return parse_duration(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


FormatOption = Annotated[Format, typer.Option("--format", help="Output format.")]
# SQLite and PostgreSQL have 64 bits for a limit.
LimitOption = Annotated[
    int | None, typer.Option("--limit", min=1, max=2**63 - 1, metavar="N", help="Only the newest N rows.")
]
TimeOption = Annotated[
    datetime | None,
    typer.Option(parser=_parse_time, metavar="T", help="An ISO date or time in UTC, or an age such as 90m, 24h or 7d."),
]
DurationOption = Annotated[
    timedelta | None,
    typer.Option("--for", parser=_parse_duration, metavar="60s", help="Stop after this time."),
]
IntervalOption = Annotated[
    timedelta | None,
    typer.Option(
        "--interval", parser=_parse_duration, metavar="5m", help="Expected time between prices. 1d finds missing days."
    ),
]
