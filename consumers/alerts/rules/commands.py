"""The commands `stockwire rules`."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from decimal import Decimal
from typing import Annotated

import typer
from sqlalchemy import Connection, Engine, select

from consumers.alerts.conditions.registry import supported_conditions
from consumers.alerts.databases import open_alerts_database, open_stored_alerts
from consumers.alerts.rules.changes import acknowledge_rule, disable_rule, edit_rule, enable_rule, rescale
from consumers.alerts.rules.file_commands import add_file_commands
from consumers.alerts.rules.listing import (
    COLUMNS,
    NUMBERS,
    TABLE_COLUMNS,
    describe_facts,
    describe_standing,
    joined_states,
    rule_rows,
)
from consumers.alerts.rules.models import EVERY_SYMBOL, Rule, Terms
from consumers.alerts.rules.option_texts import OptionTexts, parse_later
from consumers.alerts.rules.options import Options
from consumers.alerts.rules.parser import check_name, parse_symbol, parse_terms
from consumers.alerts.rules.store import add_rule, find_rule, remove_rule, silence_rule
from consumers.alerts.rules.wording import EFFECT, describe_place, describe_truth, explain
from consumers.alerts.seeding import PastPrices, seed_windows
from consumers.alerts.standing import Standing, standings
from consumers.alerts.tables import alerts
from shared.cli.app import new_app
from shared.cli.options import FormatOption
from shared.cli.output import Format, print_lines, print_rows
from shared.database.engine import reading
from shared.errors import SettingsError
from shared.split_ratios import parse_split_ratio
from shared.times import format_instant, utc_now

_SYMBOLS_SHOWN = 20

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


def build_rules(past_prices: PastPrices, describe_past: Callable[[Rule], str]) -> typer.Typer:
    """Return the commands. `past_prices` gives stored prices for the windows of a new rule.

    `describe_past` tells how often a new rule would have fired on stored prices, or nothing.
    """
    rules = new_app("Add, list, explain, change and remove alert rules.")
    # Without ignore_unknown_options, a negative price would be reported as an unknown option.
    lenient = {"ignore_unknown_options": True}

    @rules.command(help=f"Add a rule. Conditions: {supported_conditions()}.", context_settings=lenient)
    def add(
        name: Annotated[str, typer.Argument(metavar="NAME", help="The rule's name, shown in every alert.")],
        condition: Words,
        frequency: Frequency = None,
        hold: For = None,
        rearm: Rearm = None,
        on_arm: OnArm = None,
        expires: Expires = None,
        notify: Notify = None,
        resolved: Resolved = None,
        message: Message = None,
    ) -> None:
        texts = OptionTexts(frequency, hold, rearm, on_arm, expires, tuple(notify or ()), resolved, message)
        rule = _add(name, condition, texts, past_prices)
        if past := describe_past(rule):
            print_lines(past)

    @rules.command(context_settings=lenient)
    def edit(
        name: Name,
        condition: NewWords = None,
        frequency: Frequency = None,
        hold: For = None,
        rearm: Rearm = None,
        on_arm: OnArm = None,
        expires: Expires = None,
        notify: Notify = None,
        resolved: Resolved = None,
        message: Message = None,
    ) -> None:
        """Change the condition or options of a rule. The value `none` removes an option."""
        texts = OptionTexts(frequency, hold, rearm, on_arm, expires, tuple(notify or ()), resolved, message)
        _edit(name, condition or [], texts, past_prices)

    for command_name, function in _COMMANDS.items():
        rules.command(command_name)(function)
    add_file_commands(rules, past_prices)
    return rules


def _add(name: str, words: Sequence[str], texts: OptionTexts, past_prices: PastPrices) -> Rule:
    """Store a rule, and print the rule as it was understood, and where the last price stands."""
    _check_words(name, *words)
    now = utc_now()
    terms, options = _parsed(" ".join(words), texts, Options(), now)
    with open_alerts_database() as engine:
        rule = add_rule(engine, name, terms, now, options)
        print_lines(f"added rule {rule.name}: {_text(rule)} ({EFFECT})")
        _seed(engine, rule, past_prices, now)
        with reading(engine) as connection:
            found = standings(connection, [rule])[rule.id]
    for standing in found[:_SYMBOLS_SHOWN] if terms.symbol != EVERY_SYMBOL else []:
        print_lines("; ".join(filter(None, (describe_place(standing), describe_truth(standing, now)))))
    if terms.symbol == EVERY_SYMBOL:
        true = [each for each in found if describe_truth(each, now).startswith("the condition is true")]
        print_lines(f"the condition is true now on {len(true)} of {len(found)} symbols with a price")
    return rule


def _edit(name: str, words: Sequence[str], texts: OptionTexts, past_prices: PastPrices) -> None:
    _check_words(name, *words)
    now = utc_now()
    with open_alerts_database() as engine:
        with reading(engine) as connection:
            old = find_rule(connection, name)
        terms, options = _parsed(" ".join(words) if words else str(old.terms), texts, old.options, now)
        rule = edit_rule(engine, name, terms, options)
        print_lines(f"changed rule {rule.name}: {_text(rule)} ({EFFECT})")
        _seed(engine, rule, past_prices, now)


def show_list(output: FormatOption = Format.TABLE) -> None:
    """List all rules, oldest first, with their state and the way to their threshold."""
    columns = TABLE_COLUMNS if output is Format.TABLE else COLUMNS
    empty = 'no rules; add one with ./stockwire rules add NAME "AAPL crossing up 200"'
    with open_stored_alerts() as engine:
        rows = rule_rows(engine) if engine else iter(())
        if output is Format.TABLE:
            rows = map(joined_states, rows)
        print_rows(columns, rows, output, right=NUMBERS, empty=empty)


def show(name: Name) -> None:
    """Show a rule: its options, and its state on each symbol."""
    rule, found = _standings_of(name)
    print_lines(f"{rule.name}: {_text(rule)}", *describe_facts(rule))
    now = utc_now()
    for each in found[:_SYMBOLS_SHOWN]:
        print_lines(f"{each.symbol}: {', '.join(describe_standing(each, now))}")
    if len(found) > _SYMBOLS_SHOWN:
        print_lines(f"and {len(found) - _SYMBOLS_SHOWN} more symbols")


def explain_rule(
    name: Name, symbol: Annotated[str | None, typer.Argument(metavar="[SYMBOL]", help="One symbol of a * rule.")] = None
) -> None:
    """Tell why a rule fired, or did not fire, with the last price."""
    rule, found = _standings_of(name)
    wanted = None if symbol is None else _symbol(symbol)
    chosen = [each for each in found if wanted in (None, each.symbol)]
    if not chosen:
        raise SettingsError(f"rule {name!r} has seen no price of {wanted or 'any symbol'} yet")
    now = utc_now()
    with _stored() as engine, reading(engine) as connection:
        for each in chosen[:_SYMBOLS_SHOWN]:
            lines = explain(each, _last_outcome(connection, each), now)
            print_lines(f"{each.symbol} {rule.condition}", *(f"  {line}" for line in lines))


def remove(name: Name) -> None:
    """Remove a rule and keep its alerts."""
    _check_words(name)
    with open_alerts_database() as engine:
        rule = remove_rule(engine, name)
    print_lines(f"removed rule {rule.name}: {rule.terms} ({EFFECT})")


def enable(name: Name) -> None:
    """Let a disabled rule begin afresh."""
    _change(name, enable_rule, "enabled")


def disable(name: Name) -> None:
    """Let a rule do nothing until it is enabled; its state is forgotten."""
    _change(name, disable_rule, "disabled")


def silence(
    name: Name,
    until: Annotated[str, typer.Argument(metavar="T", help="A time, a duration from now on such as 2h, or off.")],
) -> None:
    """Send the alerts of a rule to nobody until a time. They are stored and published as silenced."""
    _check_words(name)
    try:
        end = None if until.lower() == "off" else parse_later(until, utc_now())
    except ValueError as error:
        raise SettingsError(str(error)) from error
    with open_alerts_database() as engine:
        rule = silence_rule(engine, name, end)
    print_lines(
        f"rule {rule.name} is " + ("no longer silenced" if end is None else f"silenced until {format_instant(end)}")
    )


def ack(
    name: Name, symbol: Annotated[str | None, typer.Argument(metavar="[SYMBOL]", help="One symbol of a * rule.")] = None
) -> None:
    """Acknowledge a rule that is firing: it says no more until it is armed again."""
    _check_words(name)
    with open_alerts_database() as engine:
        symbols = acknowledge_rule(engine, name, None if symbol is None else _symbol(symbol))
    print_lines(f"acknowledged rule {name} on {', '.join(symbols[:_SYMBOLS_SHOWN])}")


def rescale_symbol(
    symbol: Annotated[str, typer.Argument(metavar="SYMBOL", help="As the exchange writes it, such as AAPL.")],
    ratio: Annotated[
        str | None, typer.Argument(metavar="[RATIO]", help="4:1 if one share became four, 1:10 if ten became one.")
    ] = None,
    as_is: Annotated[bool, typer.Option("--as-is", help="It was not a split: keep thresholds and prices.")] = False,
) -> None:
    """Divide the thresholds and kept prices of a symbol by a split's ratio, and release its held rules."""
    if as_is == (ratio is not None):
        raise typer.BadParameter("give either a RATIO such as 4:1, or --as-is")
    name = _symbol(symbol)
    try:
        parsed = None if ratio is None else parse_split_ratio(ratio)
    except ValueError as error:
        raise SettingsError(str(error)) from error
    divisor = None if parsed is None else Decimal(parsed.numerator) / Decimal(parsed.denominator)
    with open_alerts_database() as engine:
        count = rescale(engine, name, divisor)
    if divisor is None:
        print_lines(f"released the rules of {name} as they are ({EFFECT})")
    else:
        print_lines(f"divided the thresholds of {count} rules of {name} by {ratio} ({EFFECT})")


_COMMANDS: dict[str, Callable[..., None]] = {
    "list": show_list,
    "show": show,
    "explain": explain_rule,
    "remove": remove,
    "enable": enable,
    "disable": disable,
    "silence": silence,
    "ack": ack,
    "rescale": rescale_symbol,
}


def _parsed(text: str, texts: OptionTexts, base: Options, now: datetime) -> tuple[Terms, Options]:
    try:
        terms = parse_terms(text)
        options = texts.applied_to(base, now)
        options.check(terms.condition)
    except ValueError as error:
        raise SettingsError(str(error)) from error
    return terms, options


def _check_words(name: str, *words: str) -> None:
    unknown = next((word for word in (name, *words) if word.startswith("--")), None)
    if unknown:
        raise typer.BadParameter(f"no such option: {unknown}")
    try:
        check_name(name)
    except ValueError as error:
        raise SettingsError(str(error)) from error


def _symbol(text: str) -> str:
    try:
        return parse_symbol(text)
    except ValueError as error:
        raise SettingsError(str(error)) from error


def _seed(engine: Engine, rule: Rule, past_prices: PastPrices, now: datetime) -> None:
    count = seed_windows(engine, rule, past_prices, now)
    if rule.condition.metric.window is not None:
        print_lines(f"its window begins with {count} prices of the stored history")


def _change(name: str, change: Callable[[Engine, str], Rule], word: str) -> None:
    _check_words(name)
    with open_alerts_database() as engine:
        rule = change(engine, name)
    print_lines(f"{word} rule {rule.name}: {rule.terms} ({EFFECT})")


def _text(rule: Rule) -> str:
    return f"{rule.terms} {rule.options}".strip()


def _standings_of(name: str) -> tuple[Rule, list[Standing]]:
    _check_words(name)
    with _stored() as engine, reading(engine) as connection:
        rule = find_rule(connection, name)
        return rule, standings(connection, [rule])[rule.id]


@contextmanager
def _stored() -> Iterator[Engine]:
    """Yield the database for reading. Raises SettingsError if there is none yet, and so no rule."""
    with open_stored_alerts() as engine:
        if engine is None:
            raise SettingsError('there are no rules yet: run ./stockwire rules add NAME "AAPL crossing up 200"')
        yield engine


def _last_outcome(connection: Connection, standing: Standing) -> str | None:
    """Return the state of the alert that the last price raised."""
    if standing.feed.mark is None:
        return None
    raised = select(alerts.c.state).where(
        alerts.c.rule_id == standing.rule.id,
        alerts.c.symbol == standing.symbol,
        alerts.c.as_of == standing.feed.mark.as_of,
    )
    found: str | None = connection.scalar(raised.order_by(alerts.c.id.desc()).limit(1))
    return found
