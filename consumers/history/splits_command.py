"""The command `stockwire splits`, apart from the quick commands because it imports SQLAlchemy."""

from collections.abc import Callable, Sequence
from datetime import date, datetime
from typing import Annotated

import typer

from consumers.history.commands import Symbols, check_symbols
from consumers.history.queries.prices import history_reader
from consumers.history.queries.splits import read_splits
from shared.cli.app import new_app
from shared.cli.options import FormatOption, usage_parser
from shared.cli.output import Format, print_lines, print_rows
from shared.errors import SettingsError
from shared.settings import load_settings
from shared.split_ratios import parse_split_ratio
from shared.splits import BY_HAND, Split
from shared.symbols import read_symbol
from shared.time_parsing import parse_outside_time

_COLUMNS = ("symbol", "date", "ratio", "source")

# Stores splits with their source.
StoreSplits = Callable[[Sequence[Split], str], None]
# Removes the split of a symbol and a date; returns False if there is none.
RemoveSplit = Callable[[str, date], bool]

Symbol = Annotated[str, typer.Argument(metavar="SYMBOL", help="As the exchange writes it, such as AAPL or BRK.B.")]


def _parse_date(text: str) -> date:
    parsed = parse_outside_time(text)
    if isinstance(parsed, datetime):
        raise ValueError(f"{text[:40]!r} is not a date such as 2020-08-31")
    return parsed


Day = Annotated[
    date,
    typer.Argument(
        parser=usage_parser(_parse_date), metavar="DATE", help="The first trading date after the split: 2020-08-31."
    ),
]

Ratio = Annotated[str, typer.Argument(metavar="RATIO", help="New shares for old ones: 4:1, or 1:10 if reverse.")]


def build_splits(store_splits: StoreSplits, remove_split: RemoveSplit) -> typer.Typer:
    """Return the commands. What they change, they give to these functions."""
    splits = new_app("List, add and remove share splits, by which --adjusted divides prices.")
    splits.command("list")(show)

    @splits.command()
    def add(
        symbol: Symbol,
        day: Day,
        ratio: Ratio,
    ) -> None:
        """Add a split, or replace the split of that date."""
        name = read_symbol(symbol)
        try:
            split = Split.of(name, day, parse_split_ratio(ratio))
        except ValueError as error:
            raise SettingsError(str(error)) from error
        store_splits([split], BY_HAND)
        print_lines(f"added the split of {name} on {day}: {split.ratio}")

    @splits.command()
    def remove(symbol: Symbol, day: Day) -> None:
        """Remove a split. It stays removed, even if a file or a provider tells it again."""
        name = read_symbol(symbol)
        if not remove_split(name, day):
            raise SettingsError(f"{name} has no split on {day}: see ./stockwire splits list {name}")
        print_lines(f"removed the split of {name} on {day}")

    return splits


def show(symbols: Symbols = None, output: FormatOption = Format.TABLE) -> None:
    """List the splits of the symbols, oldest first."""
    wanted = check_symbols(symbols)
    with history_reader(load_settings()) as reader:
        rows = [
            {"symbol": each.symbol, "date": each.day.isoformat(), "ratio": each.ratio, "source": source}
            for each, source in read_splits(reader, wanted)
        ]
    print_rows(_COLUMNS, rows, output, empty="no splits; add one with ./stockwire splits add AAPL 2020-08-31 4:1")
