"""Parsing of a rule's name and of its condition, such as `AAPL crossing up 200`."""

from decimal import Decimal

from consumers.alerts.conditions.base import Operator
from consumers.alerts.conditions.registry import operators, supported_conditions
from consumers.alerts.rules.models import EVERY_SYMBOL, Condition
from shared.errors import InvalidEvent
from shared.prices import read_price
from shared.symbols import read_symbol

MAX_NAME = 128

_EXAMPLE = 'such as "AAPL crossing up 200"'
_FORM = f"write SYMBOL CONDITION PRICE, {_EXAMPLE}"


def parse_condition(text: str) -> Condition:
    """Return the condition in a text such as `AAPL crossing up 200`, in upper or lower case.

    Raises ValueError with the problem and the correct form.
    """
    words = text.split()
    if len(words) < 2:
        raise ValueError(f"condition {text!r} is incomplete: {_FORM}")
    operator, rest = _split_operator(words[1:])
    if len(rest) != 1:
        found = repr(" ".join(rest)) if rest else "nothing"
        raise ValueError(f"condition {operator.phrase!r} needs one price after it, found {found}: {_FORM}")
    return Condition(_parse_symbol(words[0]), operator, _parse_threshold(rest[0]))


def check_name(name: str) -> str:
    """Return the name of a rule; raise ValueError if it is empty, too long or not printable."""
    if not name.strip() or len(name) > MAX_NAME or not name.isprintable():
        raise ValueError(f"rule name {name[:40]!r} is not valid: use 1-{MAX_NAME} printable characters")
    return name


def _split_operator(words: list[str]) -> tuple[Operator, list[str]]:
    """Return the operator that the words begin with, and the words after it."""
    # Longest phrase first: `crossing up` must not be read as `crossing` with the price `up`.
    for operator in sorted(operators().values(), key=lambda each: -len(each.phrase)):
        phrase = operator.phrase.split()
        if [word.lower() for word in words[: len(phrase)]] == phrase:
            return operator, words[len(phrase) :]
    raise ValueError(f"condition {' '.join(words)!r} is not supported: use one of {supported_conditions()}, {_EXAMPLE}")


def _parse_symbol(word: str) -> str:
    if word == EVERY_SYMBOL:
        return word
    try:
        return read_symbol(word)
    except InvalidEvent as error:
        raise ValueError(f"{error}; * stands for every symbol") from error


def _parse_threshold(word: str) -> Decimal:
    try:
        return read_price(word)
    except ValueError as error:
        raise ValueError(f"price {error}: use a decimal above 0 of at most 15 digits, {_EXAMPLE}") from error
