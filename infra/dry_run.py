"""`stockwire rules dry-run`: rules through the live engine over the stored history, without any effect."""

import shlex
import shutil
import sys
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

import typer

from consumers.alerts.databases import open_stored_alerts
from consumers.alerts.dry_run import Trial, missing_data, try_rules, warm_up
from consumers.alerts.rules.file_commands import load_rules
from consumers.alerts.rules.models import EVERY_SYMBOL, Rule
from consumers.alerts.rules.parser import parse_terms
from consumers.alerts.rules.store import stored_rule
from consumers.alerts.split_guard import describe_ratio
from consumers.history.queries.comparable import comparable_providers, read_prices_of, symbols_with_prices
from consumers.history.queries.prices import history_exists, history_reader
from consumers.history.queries.splits import read_adjustments
from shared.cli.options import FormatOption, TimeOption
from shared.cli.output import Format, print_lines, print_rows
from shared.cli.price_chart import draw_price_chart
from shared.database.engine import reading
from shared.database.reader import Reader
from shared.errors import SettingsError, StorageError
from shared.events import StockData
from shared.prices import format_price
from shared.settings import load_settings
from shared.symbols import join_names
from shared.times import format_instant, parse_instant, utc_now

YEAR = timedelta(days=365)
# A rule is tried on the newest prices of few symbols when it is added, which must not take long.
_MOST_AT_ADD = 20_000
_MOST_SYMBOLS_AT_ADD = 100
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
        trials = list(_try_all(reader, rules, since or now - YEAR, points=_draws_charts(output)))
    if not trials:
        raise StorageError(_describe_missing(rules, since or now - YEAR))
    found = sorted(
        (each for trial in trials for each in trial.occurrences), key=lambda each: (each.event.as_of, each.event.symbol)
    )
    rows = (_row(each.rule, each.event, each.state) for each in found)
    print_rows(_COLUMNS, rows, output, right=("price",), empty="no rule would have fired")
    if output is Format.TABLE:
        print_lines(*_charts(trials), *(_summary(rule, trials) for rule in rules), *_holds(trials))


def describe_year(rule: Rule) -> str:
    """Return how often a new rule would have fired in the stored year, or nothing if there is no such year."""
    if missing_data(rule) is not None or not history_exists(load_settings()):
        return ""
    try:
        return _describe_year(rule)
    except StorageError as error:
        # The rule is stored already.
        return f"how often it would have fired is not known: {error}"


def _describe_year(rule: Rule) -> str:
    with history_reader(load_settings()) as reader:
        symbols = symbols_with_prices(reader) if rule.terms.symbol == EVERY_SYMBOL else [rule.terms.symbol]
        if len(symbols) > _MOST_SYMBOLS_AT_ADD:
            return f"run ./stockwire rules dry-run {shlex.quote(rule.name)} to see how often it would have fired"
        most = _MOST_AT_ADD // max(1, len(symbols))
        since = utc_now() - YEAR
        trials = [_try(reader, symbol, [rule], since, points=False, most=most) for symbol in symbols]
    found = [trial for trial in trials if trial is not None]
    return _summary(rule, found) if found else ""


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
            f"there is neither a rule nor a file {tried[:60]!r}: run ./stockwire rules list to see all rules, or write a"
            ' condition such as "AAPL crossing up 200"'
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


def _try_all(reader: Reader, rules: Sequence[Rule], since: datetime, *, points: bool) -> Iterator[Trial]:
    """Yield a trial per symbol with prices."""
    named = {rule.terms.symbol for rule in rules}
    for symbol in symbols_with_prices(reader) if EVERY_SYMBOL in named else sorted(named):
        of_symbol = [rule for rule in rules if rule.terms.symbol in (EVERY_SYMBOL, symbol)]
        trial = _try(reader, symbol, of_symbol, since, points=points)
        if trial is not None:
            yield trial


def _try(
    reader: Reader, symbol: str, rules: Sequence[Rule], since: datetime, *, points: bool, most: int | None = None
) -> Trial | None:
    providers = comparable_providers(reader, symbol, since)
    if not providers:
        return None
    trial = Trial(symbol, providers)
    # The thresholds of a rule are in shares of today.
    adjustment = read_adjustments(reader, [symbol], load_settings().market).get(symbol)
    rows = read_prices_of(reader, symbol, providers, since - warm_up(rules), most, adjustment)
    try_rules(trial, rules, map(_event, rows), since, points=points)
    return trial if trial.count else None


def _event(row: dict[str, Any]) -> StockData:
    as_of = parse_instant(row["as_of"])
    return StockData.create(
        symbol=row["symbol"],
        price=Decimal(row["price"]),
        currency=row["currency"],
        as_of=as_of,
        provider=row["provider"],
        # Some were stored by a version that took prices from ahead of its clock.
        observed_at=max(as_of, parse_instant(row["observed_at"])),
        volume=row["volume"],
    )


def _row(rule: Rule, event: StockData, state: str) -> dict[str, Any]:
    return {
        "as_of": format_instant(event.as_of),
        "symbol": event.symbol,
        "price": format_price(event.price),
        "rule": rule.name,
        "state": state,
        "provider": event.provider,
    }


def _summary(rule: Rule, trials: Sequence[Trial]) -> str:
    """Return how often a rule would have fired, and on which prices."""
    seen = [trial for trial in trials if rule.terms.symbol in (EVERY_SYMBOL, trial.symbol)]
    if not seen:
        return f"{rule.name}: no stored prices of {rule.terms.symbol}"
    count = sum(trial.firings(rule) for trial in seen)
    fired = {0: "would never have fired", 1: "would have fired once"}.get(count, f"would have fired {count} times")
    first = min(trial.first for trial in seen if trial.first is not None)
    last = max(trial.last for trial in seen if trial.last is not None)
    prices = sum(trial.count for trial in seen)
    symbols = seen[0].symbol if len(seen) == 1 else f"{len(seen)} symbols"
    providers = join_names(sorted({name for trial in seen for name in trial.providers}))
    return (
        f"{rule.name} {fired} on {prices} stored prices of {symbols} ({providers})"
        f" from {first:%Y-%m-%d} to {last:%Y-%m-%d}"
    )


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
        yield from draw_price_chart(f"{trial.symbol} (▲ fires)", trial.points, fired, width, _CHART_HEIGHT)
    if len(drawn) > _MOST_CHARTS:
        yield f"charts of {len(drawn) - _MOST_CHARTS} more symbols are left out"


def _describe_missing(rules: Sequence[Rule], since: datetime) -> str:
    names = sorted({rule.terms.symbol for rule in rules})
    symbols = "any symbol" if EVERY_SYMBOL in names else join_names(names)
    return (
        f"there are no stored prices of {symbols} since {since:%Y-%m-%d %H:%M} UTC:"
        " run ./stockwire backfill SYMBOL --since T"
    )
