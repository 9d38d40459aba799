"""The arguments and options of the commands `stockwire rules`."""

from typing import Annotated

import typer

from consumers.alerts.rules.parser import check_name, parse_symbol
from shared.errors import SettingsError

Name = Annotated[str, typer.Argument(metavar="NAME", help="The name that ./stockwire rules list shows.")]
Frequency = Annotated[
    str | None, typer.Option(metavar="once|every|once-per:D", help="How often the rule may fire. Default: every.")
]
For = Annotated[
    str | None, typer.Option("--for", metavar="10m", help="Fire after the condition was true for this time.")
]
Rearm = Annotated[str | None, typer.Option(metavar="PRICE", help="Arm again when the price has returned to PRICE.")]
OnArm = Annotated[
    str | None, typer.Option(metavar="fire|wait", help="With wait, a condition that is true at once does not fire.")
]
Expires = Annotated[str | None, typer.Option(metavar="T", help="Never fire on prices from this time on.")]
Notify = Annotated[list[str] | None, typer.Option(metavar="NAME", help="A target of ./stockwire notify. Repeatable.")]
Resolved = Annotated[bool | None, typer.Option("--resolved/--no-resolved", help="Tell the end of the condition too.")]
Message = Annotated[
    str | None,
    typer.Option(
        metavar="TEXT",
        help="The message, with {symbol} {price} {previous_price} {change} {threshold} {rule} {as_of}.",
    ),
]
Words = Annotated[
    list[str],
    typer.Argument(
        metavar="CONDITION...", help='SYMBOL CONDITION, such as "AAPL crossing up 200". Use "*" for every symbol.'
    ),
]
NewWords = Annotated[
    list[str] | None, typer.Argument(metavar="[CONDITION]...", help="Another SYMBOL CONDITION instead of the old.")
]
SymbolOfRule = Annotated[str | None, typer.Argument(metavar="[SYMBOL]", help="One symbol of a * rule.")]


def check_words(name: str, *words: str) -> None:
    """Raise BadParameter for an unknown option among the words, and SettingsError for an invalid name."""
    unknown = next((word for word in (name, *words) if word.startswith("--")), None)
    if unknown:
        raise typer.BadParameter(f"no such option: {unknown}")
    try:
        check_name(name)
    except ValueError as error:
        raise SettingsError(str(error)) from error


def symbol_of(text: str) -> str:
    """Return the symbol in an argument. Raises SettingsError."""
    try:
        return parse_symbol(text)
    except ValueError as error:
        raise SettingsError(str(error)) from error
