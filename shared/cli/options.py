"""Options that several commands take."""

from datetime import datetime, timedelta
from typing import Annotated

import typer

from shared.cli.output import Format
from shared.times import parse_duration, parse_moment, utc_now


def _parse_moment(text: str) -> datetime:
    try:
        return parse_moment(text, utc_now())
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


def _parse_duration(text: str) -> timedelta:
    try:
        return parse_duration(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


OutputFormat = Annotated[Format, typer.Option("--format", help="How to print it.")]
Newest = Annotated[int | None, typer.Option("--limit", min=1, metavar="N", help="Only the newest N.")]
Moment = Annotated[
    datetime | None,
    typer.Option(parser=_parse_moment, metavar="T", help="An ISO date or time (UTC), or an age such as 90m, 24h, 7d."),
]
Duration = Annotated[
    timedelta | None,
    typer.Option("--for", parser=_parse_duration, metavar="60s", help="End by itself after this long."),
]
Apart = Annotated[
    timedelta | None,
    typer.Option(
        "--interval", parser=_parse_duration, metavar="5m", help="How far apart prices are due; 1d looks at days."
    ),
]
