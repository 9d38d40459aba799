"""The command `stockwire splits`, apart from the quick commands because it imports SQLAlchemy."""

from datetime import date, datetime
from typing import Annotated

import typer
from sqlalchemy import delete

from consumers.history.commands import Symbols, check_symbols
from consumers.history.queries.prices import history_reader
from consumers.history.queries.splits import read_splits
from consumers.history.tables import SCHEMA, split
from shared.cli.app import new_app
from shared.cli.options import FormatOption, usage_parser
from shared.cli.output import Format, print_lines, print_rows
from shared.database.engine import opened, writing
from shared.database.schema import create_schema, insert_into
from shared.errors import SettingsError
from shared.settings import load_settings
from shared.split_ratios import parse_split_ratio
from shared.symbols import read_symbol
from shared.time_parsing import parse_outside_time

_COLUMNS = ("symbol", "date", "ratio")

splits = new_app("List, add and remove share splits, by which --adjusted divides prices.")

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


@splits.command("list")
def show(symbols: Symbols = None, output: FormatOption = Format.TABLE) -> None:
    """List the splits of the symbols, oldest first."""
    wanted = check_symbols(symbols)
    with history_reader(load_settings()) as reader:
        rows = [
            {"symbol": each.symbol, "date": each.day.isoformat(), "ratio": each.ratio}
            for each in read_splits(reader, wanted)
        ]
    print_rows(_COLUMNS, rows, output, empty="no splits; add one with ./stockwire splits add AAPL 2020-08-31 4:1")


@splits.command()
def add(
    symbol: Symbol,
    day: Day,
    ratio: Annotated[str, typer.Argument(metavar="RATIO", help="New shares for old ones: 4:1, or 1:10 if reverse.")],
) -> None:
    """Add a split, or replace the split of that date."""
    name = read_symbol(symbol)
    try:
        parsed = parse_split_ratio(ratio)
    except ValueError as error:
        raise SettingsError(str(error)) from error
    values = {"symbol": name, "day": day.isoformat(), "new_shares": parsed.numerator, "old_shares": parsed.denominator}
    with opened(load_settings().history_url.engine_url) as engine:
        create_schema(engine, SCHEMA)
        with writing(engine) as connection:
            insert = insert_into(split, engine.dialect.name)
            ratios = {column: insert.excluded[column] for column in ("new_shares", "old_shares")}
            connection.execute(insert.on_conflict_do_update(index_elements=["symbol", "day"], set_=ratios), values)
    print_lines(f"added the split of {name} on {day}: {parsed.numerator}:{parsed.denominator}")


@splits.command()
def remove(symbol: Symbol, day: Day) -> None:
    """Remove a split."""
    name = read_symbol(symbol)
    with opened(load_settings().history_url.engine_url) as engine:
        create_schema(engine, SCHEMA)
        with writing(engine) as connection:
            where = (split.c.symbol == name, split.c.day == day.isoformat())
            is_removed = connection.execute(delete(split).where(*where)).rowcount
    if not is_removed:
        raise SettingsError(f"{name} has no split on {day}: see ./stockwire splits list {name}")
    print_lines(f"removed the split of {name} on {day}")
