"""The commands `stockwire rules`."""

from collections.abc import Callable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Annotated

import typer
from sqlalchemy import Engine

from consumers.alerts.conditions.registry import supported_conditions
from consumers.alerts.databases import open_alerts_database
from consumers.alerts.rules.changes import acknowledge_rule, disable_rule, edit_rule, enable_rule, rescale
from consumers.alerts.rules.command_arguments import (
    Expires,
    For,
    Frequency,
    Message,
    Name,
    NewWords,
    Notify,
    OnArm,
    Rearm,
    Resolved,
    SymbolOfRule,
    Words,
    check_words,
    symbol_of,
)
from consumers.alerts.rules.file_commands import add_file_commands
from consumers.alerts.rules.models import EVERY_SYMBOL, Rule, Terms
from consumers.alerts.rules.option_texts import OptionTexts, parse_later
from consumers.alerts.rules.options import Options
from consumers.alerts.rules.parser import parse_terms
from consumers.alerts.rules.reading_commands import SYMBOLS_SHOWN, explain_rule, show, show_list
from consumers.alerts.rules.store import add_rule, find_rule, remove_rule, silence_rule
from consumers.alerts.rules.wording import EFFECT, counted, describe_place, describe_truth, rule_text
from consumers.alerts.seeding import PastPrices, seed_windows
from consumers.alerts.standing import standings
from shared.cli.app import new_app
from shared.cli.output import print_lines
from shared.database.engine import reading
from shared.errors import SettingsError
from shared.split_ratios import parse_split_ratio
from shared.times import format_instant, utc_now


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
    check_words(name, *words)
    now = utc_now()
    terms, options = _parsed(" ".join(words), texts, Options(), now)
    with open_alerts_database() as engine:
        rule = add_rule(engine, name, terms, now, options)
        print_lines(f"added rule {rule.name}: {rule_text(rule)} ({EFFECT})")
        _seed(engine, rule, past_prices, now)
        with reading(engine) as connection:
            found = standings(connection, [rule])[rule.id]
    for standing in found[:SYMBOLS_SHOWN] if terms.symbol != EVERY_SYMBOL else []:
        print_lines("; ".join(filter(None, (describe_place(standing), describe_truth(standing, now)))))
    if terms.symbol == EVERY_SYMBOL:
        true = [each for each in found if describe_truth(each, now).startswith("the condition is true")]
        print_lines(f"the condition is true now on {len(true)} of {len(found)} symbols with a price")
    return rule


def _edit(name: str, words: Sequence[str], texts: OptionTexts, past_prices: PastPrices) -> None:
    check_words(name, *words)
    now = utc_now()
    with open_alerts_database() as engine:
        with reading(engine) as connection:
            old = find_rule(connection, name)
        terms, options = _parsed(" ".join(words) if words else str(old.terms), texts, old.options, now)
        rule = edit_rule(engine, name, terms, options)
        print_lines(f"changed rule {rule.name}: {rule_text(rule)} ({EFFECT})")
        _seed(engine, rule, past_prices, now)


def remove(name: Name) -> None:
    """Remove a rule and keep its alerts."""
    check_words(name)
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
    check_words(name)
    try:
        end = None if until.lower() == "off" else parse_later(until, utc_now())
    except ValueError as error:
        raise SettingsError(str(error)) from error
    with open_alerts_database() as engine:
        rule = silence_rule(engine, name, end)
    print_lines(
        f"rule {rule.name} is " + ("no longer silenced" if end is None else f"silenced until {format_instant(end)}")
    )


def ack(name: Name, symbol: SymbolOfRule = None) -> None:
    """Acknowledge a rule that is firing: it says no more until it is armed again."""
    check_words(name)
    with open_alerts_database() as engine:
        symbols = acknowledge_rule(engine, name, None if symbol is None else symbol_of(symbol))
    print_lines(f"acknowledged rule {name} on {', '.join(symbols[:SYMBOLS_SHOWN])}")


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
    name = symbol_of(symbol)
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
        print_lines(f"divided the thresholds of {counted(count, 'rule')} of {name} by {ratio} ({EFFECT})")


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


def _seed(engine: Engine, rule: Rule, past_prices: PastPrices, now: datetime) -> None:
    count = seed_windows(engine, rule, past_prices, now)
    if rule.condition.metric.window is not None:
        print_lines(f"its window begins with {counted(count, 'price')} of the stored history")


def _change(name: str, change: Callable[[Engine, str], Rule], word: str) -> None:
    check_words(name)
    with open_alerts_database() as engine:
        rule = change(engine, name)
    print_lines(f"{word} rule {rule.name}: {rule.terms} ({EFFECT})")
