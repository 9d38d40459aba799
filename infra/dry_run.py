"""`stockwire rules dry-run`: rules through the live engine over the stored history, without any effect."""

import shutil
import sys
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from consumers.alerts.databases import open_stored_alerts
from consumers.alerts.dry_run import Trial, missing_data
from consumers.alerts.rules.file_commands import load_rules
from consumers.alerts.rules.models import EVERY_SYMBOL, Rule
from consumers.alerts.rules.parser import parse_terms
from consumers.alerts.rules.store import stored_rule
from consumers.alerts.split_guard import describe_ratio
from consumers.history.queries.prices import history_reader
from infra.rule_trials import YEAR, summarize, try_all
from shared.cli.options import FormatOption, TimeOption
from shared.cli.output import Format, print_lines, print_rows
from shared.cli.price_chart import Size, draw_price_chart
from shared.database.engine import reading
from shared.errors import SettingsError, StorageError
from shared.events import StockData
from shared.prices import format_price
from shared.settings import load_settings
from shared.symbols import join_names
from shared.times import format_instant, utc_now

_COLUMNS = ("as_of", "symbol", "price", "rule", "state", "provider")
_MOST_CHARTS = 3
_CHART_HEIGHT = 18
_CHART_WIDTH = 110


def dry_run(
    tried: Annotated[
        str, typer.Argument(metavar="RULE|FILE", help='A stored rule, a file of rules, or "SYMBOL CONDITION".')
    ],
    since: TimeOption = None,
    output: FormatOption = Format.TABLE,
) -> None:
    """Show when rules would have fired on the stored prices since T (default: 365d). Nothing is stored or sent."""
    now = utc_now()
    rules = _runnable(_find_rules(tried))
    with history_reader(load_settings()) as reader:
        trials = list(try_all(reader, rules, since or now - YEAR, points=_draws_charts(output)))
    if not trials:
        raise StorageError(_describe_missing(rules, since or now - YEAR))
    found = sorted(
        (each for trial in trials for each in trial.occurrences), key=lambda each: (each.event.as_of, each.event.symbol)
    )
    rows = (_row(each.rule, each.event, each.state) for each in found)
    print_rows(_COLUMNS, rows, output, right=("price",), empty="no rule would have fired")
    if output is Format.TABLE:
        print_lines(*_charts(trials), *(summarize(rule, trials) for rule in rules), *_holds(trials))


def _find_rules(tried: str) -> Sequence[Rule]:
    """Return a stored rule, the rules of a file, or the rule of a condition. Raises SettingsError."""
    with open_stored_alerts() as engine:
        if engine is not None:
            with reading(engine) as connection:
                rule = stored_rule(connection, tried)
            if rule is not None:
                return [rule]
    if _is_file(tried):
        return load_rules(Path(tried))
    if len(tried.split()) < 2:
        raise SettingsError(
            f"there is neither a rule nor a file {tried[:60]!r}: run ./stockwire rules list to see all rules,"
            ' or write a condition such as "AAPL crossing up 200"'
        )
    try:
        terms = parse_terms(tried)
        return [Rule(0, str(terms), terms, 1)]
    except ValueError as error:
        raise SettingsError(str(error)) from error


def _is_file(text: str) -> bool:
    try:
        return Path(text).is_file()
    except OSError:
        # Longer than any file's name.
        return False


def _runnable(rules: Sequence[Rule]) -> list[Rule]:
    """Return the rules that can be tried, and tell about the others. Raises SettingsError if there is none."""
    for rule in rules:
        if missing := missing_data(rule):
            text = (
                f"rule {rule.name} cannot be tried: `{rule.condition}` needs {missing}, which the history does not keep"
            )
            if len(rules) == 1:
                raise SettingsError(text)
            print_lines(text, error=True)
    found = [rule for rule in rules if missing_data(rule) is None]
    if not found:
        raise SettingsError("there is no rule to try")
    return found


def _row(rule: Rule, event: StockData, state: str) -> dict[str, Any]:
    return {
        "as_of": format_instant(event.as_of),
        "symbol": event.symbol,
        "price": format_price(event.price),
        "rule": rule.name,
        "state": state,
        "provider": event.provider,
    }


def _holds(trials: Sequence[Trial]) -> Iterator[str]:
    """Yield the jumps after which rules were held, because nobody has decided if they were splits."""
    for trial in trials:
        holds = {each.hold for each in trial.occurrences if each.hold is not None}
        for hold in sorted(holds, key=lambda each: each.as_of):
            jump = f"{format_price(hold.previous_price)} to {format_price(hold.price)}"
            yield (
                f"{trial.symbol} went from {jump} as of {format_instant(hold.as_of)}, which may be a split of"
                f" {describe_ratio(hold.ratio)}: rules are held from then on. If it was one, run ./stockwire splits add"
                f" {trial.symbol} {hold.as_of:%Y-%m-%d} {describe_ratio(hold.ratio)}; if not, try the rest with --since"
                f" {format_instant(hold.as_of)}"
            )


def _draws_charts(output: Format) -> bool:
    return output is Format.TABLE and sys.stdout.isatty() and sys.stdout.encoding.lower().startswith("utf")


def _charts(trials: Sequence[Trial]) -> Iterator[str]:
    """Yield the lines of a chart per symbol on which rules fired, or of the only symbol."""
    width = min(shutil.get_terminal_size().columns, _CHART_WIDTH)
    drawn = [trial for trial in trials if trial.points and (len(trials) == 1 or trial.occurrences)]
    for trial in drawn[:_MOST_CHARTS]:
        fired = [(each.event.as_of, each.event.price) for each in trial.occurrences if each.state == "firing"]
        title = f"{trial.symbol} (▲ fires)"
        yield from draw_price_chart(title, {trial.symbol: trial.points}, Size(width, _CHART_HEIGHT), marked=fired)
    if len(drawn) > _MOST_CHARTS:
        yield f"charts of {len(drawn) - _MOST_CHARTS} more symbols are left out"


def _describe_missing(rules: Sequence[Rule], since: datetime) -> str:
    names = sorted({rule.terms.symbol for rule in rules})
    symbols = "any symbol" if EVERY_SYMBOL in names else join_names(names)
    return (
        f"there are no stored prices of {symbols} since {since:%Y-%m-%d %H:%M} UTC:"
        " run ./stockwire backfill SYMBOL --since T"
    )
