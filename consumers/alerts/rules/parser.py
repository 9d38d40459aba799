"""Parsing of a rule's name and of its line, such as `AAPL crossing up 200`."""

from difflib import get_close_matches

from consumers.alerts.conditions.base import Condition
from consumers.alerts.conditions.registry import all_conditions, conditions_by_phrase, supported_conditions
from consumers.alerts.rules.models import EVERY_SYMBOL, Terms
from shared.errors import InvalidEvent
from shared.symbols import read_symbol

MAX_NAME = 128

_EXAMPLE = 'such as "AAPL crossing up 200"'


def parse_terms(text: str) -> Terms:
    """Return the terms in a text such as `AAPL crossing up 200`, in upper or lower case.

    Raises ValueError with the part that was not understood and an example that works.
    """
    words = text.split()
    if len(words) < 2:
        raise ValueError(f"rule {text!r} is incomplete: write SYMBOL CONDITION, {_EXAMPLE}")
    return Terms(parse_symbol(words[0]), parse_condition(words[1:]))


def parse_condition(words: list[str]) -> Condition:
    """Return the condition in these words. Raises ValueError."""
    lower = [word.lower() for word in words]
    for phrase, condition in conditions_by_phrase():
        if lower[: len(phrase)] == phrase:
            return _parse_rest(condition, words[len(phrase) :])
    raise ValueError(_explain_unknown(" ".join(words)))


def check_name(name: str) -> str:
    """Return the name of a rule; raise ValueError if it is empty, too long or not printable."""
    if not name.strip() or len(name) > MAX_NAME or not name.isprintable():
        raise ValueError(f"rule name {name[:40]!r} is not valid: use 1-{MAX_NAME} printable characters")
    return name


def _parse_rest(condition: type[Condition], words: list[str]) -> Condition:
    try:
        return condition.parse(words)
    except ValueError as error:
        raise ValueError(
            f"condition {condition.phrase!r}: {error}: write {condition.form}, such as {condition.example!r}"
        ) from error


def _explain_unknown(text: str) -> str:
    """Return the message for a condition with an unknown phrase, with the phrase that is most like it."""
    phrases = {condition.phrase: condition for condition in all_conditions().values()}
    first_words = {phrase.split()[0]: condition for phrase, condition in phrases.items()}
    found = first_words | phrases
    text = text[:60]
    near = (
        get_close_matches(text.lower(), phrases, n=1, cutoff=0.7)
        or get_close_matches(text.lower().partition(" ")[0], first_words, n=1)
        or get_close_matches(text.lower(), phrases, n=1, cutoff=0.5)
    )
    example = f"such as {found[near[0]].example!r}" if near else _EXAMPLE
    return f"condition {text!r} is not supported: use one of {supported_conditions()}, {example}"


def parse_symbol(word: str) -> str:
    """Return the symbol of a rule, or `*`. Raises ValueError."""
    if word == EVERY_SYMBOL:
        return word
    try:
        return read_symbol(word)
    except InvalidEvent as error:
        raise ValueError(f"{error}; * stands for every symbol") from error
