"""Files of rules: TOML with a `[[rule]]` per rule, and a `[[test]]` per test of a rule."""

import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from difflib import get_close_matches
from typing import Any, NamedTuple, TypeVar

from consumers.alerts.conditions.metrics import parse_span
from consumers.alerts.rules.file_values import (
    Misfit,
    convert,
    misfit_of,
    number_text,
    parse_on_arm,
    read_flag,
    read_list,
    read_names,
    read_text,
    read_time,
    require_text,
    shorten,
)
from consumers.alerts.rules.models import Rule
from consumers.alerts.rules.options import EVERY, Frequency, OnArm, Options
from consumers.alerts.rules.parser import check_name, parse_terms
from consumers.alerts.rules.toml_lines import TomlLines, split_syntax_error
from shared.prices import format_price, read_price
from shared.times import format_duration, format_instant

RULE_KEYS = (
    "name",
    "when",
    "for",
    "frequency",
    "rearm",
    "on_arm",
    "expires",
    "notify",
    "resolved",
    "message",
    "enabled",
)
TEST_KEYS = ("rule", "prices", "fires")
_TABLES = {"rule": RULE_KEYS, "test": TEST_KEYS}

Value = TypeVar("Value")


class Fault(NamedTuple):
    """The line of a fault, from 1, and its description."""

    line: int
    text: str


class RuleTest(NamedTuple):
    """The times and prices that a rule is to see, and the times at which it must fire. `line` is that of the test."""

    line: int
    rule: str
    prices: tuple[tuple[datetime, Decimal], ...]
    fires: tuple[datetime, ...]


@dataclass(frozen=True, slots=True)
class RuleFile:
    """Rules and tests of a file in their order. If there is a fault, those that have none are missing."""

    rules: tuple[Rule, ...]
    tests: tuple[RuleTest, ...]
    faults: tuple[Fault, ...]


def parse_rule_file(text: str) -> RuleFile:
    """Return the rules and tests in a text, and all its faults."""
    try:
        found = tomllib.loads(text, parse_float=Decimal)
    except tomllib.TOMLDecodeError as error:
        return RuleFile((), (), (Fault(*split_syntax_error(error, text)),))
    except (ValueError, ArithmeticError, RecursionError) as error:
        return RuleFile((), (), (Fault(1, f"a number is too long, or lists are nested too deeply: {error}"),))
    lines = TomlLines(text.replace("\r\n", "\n"))
    faults = [*_unknown_tables(found, lines)]
    rules = _parse_tables("rule", _parse_rule, found, lines, faults)
    tests = _parse_tables("test", _parse_test, found, lines, faults)
    faults += _repeated_names(rules, lines)
    names = {rule.name for _, rule in rules}
    if not faults:
        faults += [
            Fault(lines.of_key("test", number, "rule"), f"there is no rule {test.rule!r} in this file")
            for number, test in tests
            if test.rule not in names
        ]
    placed = (test._replace(line=lines.of_table("test", number)) for number, test in tests)
    return RuleFile(tuple(rule for _, rule in rules), tuple(placed), tuple(sorted(faults)))


def _parse_tables(
    name: str,
    parse: Callable[[Mapping[str, Any]], Value],
    found: Mapping[str, Any],
    lines: TomlLines,
    faults: list[Fault],
) -> list[tuple[int, Value]]:
    """Return what each table of a name holds, with its number, and add the faults of the others."""
    tables = found.get(name, [])
    if not isinstance(tables, list) or not all(isinstance(each, dict) for each in tables):
        faults.append(Fault(lines.of_top_level(name), f"write [[{name}]] above each {name}"))
        return []
    values = []
    for number, table in enumerate(tables):
        try:
            _check_keys(name, table)
            values.append((number, parse(table)))
        except Misfit as error:
            faults.append(Fault(lines.of_key(name, number, error.key), str(error)))
    return values


def _unknown_tables(found: Mapping[str, Any], lines: TomlLines) -> Iterator[Fault]:
    for name in found:
        if name not in _TABLES:
            yield Fault(lines.of_top_level(name), f"{name!r} is not known here: a file has [[rule]] and [[test]]")


def _check_keys(name: str, table: Mapping[str, Any]) -> None:
    known = _TABLES[name]
    for key in table:
        if key not in known:
            near = get_close_matches(key, known, n=1)
            hint = f"did you mean {near[0]}?" if near else f"use {', '.join(known)}"
            raise Misfit(key, f"{key!r} is not a key of a {name}: {hint}")


def _repeated_names(rules: list[tuple[int, Rule]], lines: TomlLines) -> Iterator[Fault]:
    first: dict[str, int] = {}
    for number, rule in rules:
        if rule.name in first:
            line = lines.of_key("rule", first[rule.name], "name")
            yield Fault(lines.of_key("rule", number, "name"), f"the rule in line {line} has the name {rule.name!r} too")
        first.setdefault(rule.name, number)


def rule_of_table(table: Mapping[str, Any]) -> Rule:
    """Return the rule with these keys, without an id. Raises Misfit for a key that is unknown, missing or wrong."""
    _check_keys("rule", table)
    return _parse_rule(table)


def table_of_rule(rule: Rule) -> dict[str, Any]:
    """Return the keys of a rule that say more than their defaults; `rule_of_table` reads them back."""
    options = rule.options
    table: dict[str, Any] = {
        "name": rule.name,
        "when": str(rule.terms),
        "for": None if options.hold is None else format_duration(options.hold),
        "frequency": None if options.frequency == EVERY else str(options.frequency),
        "rearm": None if options.rearm is None else format_price(options.rearm),
        "on_arm": None if options.on_arm is OnArm.FIRE else options.on_arm.value,
        "expires": None if options.expires is None else format_instant(options.expires),
        "notify": list(options.notify) or None,
        "resolved": options.resolved or None,
        "message": options.message,
        "enabled": None if rule.enabled else False,
    }
    return {key: value for key, value in table.items() if value is not None}


def _parse_rule(table: Mapping[str, Any]) -> Rule:
    name = require_text("name", table, check_name)
    terms = require_text("when", table, parse_terms)
    options = _parse_options(table)
    try:
        options.check(terms.condition)
    except ValueError as error:
        raise misfit_of(error) from error
    return Rule(0, name, terms, 1, options, enabled=read_flag("enabled", table, default=True))


def _parse_options(table: Mapping[str, Any]) -> Options:
    frequency = read_text("frequency", table, Frequency.parse)
    on_arm = read_text("on_arm", table, parse_on_arm)
    options = Options(
        hold=read_text("for", table, lambda text: parse_span(text).duration),
        rearm=None if "rearm" not in table else convert("rearm", number_text("rearm", table["rearm"]), read_price),
        expires=None if "expires" not in table else read_time("expires", table["expires"]),
        notify=read_names("notify", table.get("notify", [])),
        resolved=read_flag("resolved", table, default=False),
        message=read_text("message", table, str),
    )
    if frequency is not None:
        options = replace(options, frequency=frequency)
    return options if on_arm is None else replace(options, on_arm=on_arm)


def _parse_test(table: Mapping[str, Any]) -> RuleTest:
    rule = require_text("rule", table, str)
    prices = tuple(_price(each) for each in read_list("prices", table))
    fires = tuple(read_time("fires", each) for each in read_list("fires", table))
    unknown = set(fires) - {as_of for as_of, _ in prices}
    if not prices:
        raise Misfit("prices", 'prices is empty: write prices = [["2026-11-20T09:30:00Z", "200"], …]')
    if unknown:
        raise Misfit("fires", f"the test has no price at {format_instant(min(unknown))}, so nothing can fire then")
    return RuleTest(0, rule, prices, fires)


def _price(pair: Any) -> tuple[datetime, Decimal]:
    if not isinstance(pair, list) or len(pair) != 2:
        raise Misfit("prices", f'{shorten(pair)} is not a price: write ["2026-11-20T09:30:00Z", "200"]')
    return read_time("prices", pair[0]), convert("prices", number_text("prices", pair[1]), read_price)
