"""The arguments and options that `history` and `stats` share."""

from typing import Annotated

import typer

from consumers.history.queries.buckets import make_buckets
from consumers.history.timeframes import Buckets, Timeframe

SomeSymbols = Annotated[
    list[str], typer.Argument(metavar="SYMBOL...", help="As the exchange writes them, such as AAPL or BRK.B.")
]
AdjustedOption = Annotated[bool, typer.Option("--adjusted", help="Divide prices before a split by its ratio.")]
ProviderOption = Annotated[str | None, typer.Option(metavar="P", help="Only the prices of this provider.")]


def buckets_of_option(timeframe: Timeframe, zone: str | None, market: str | None) -> Buckets:
    """Return the buckets in the time zone of --tz. Raises BadParameter, and SettingsError without a market."""
    try:
        return make_buckets(timeframe, zone, market)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--tz") from error
