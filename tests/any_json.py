"""JSON of any kind for property tests, answers with something wrong in them, and the numbers that an answer has."""

from copy import deepcopy
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

# More and smaller than any price is, each as JSON may well have it.
EXTREMES = [Decimal("1e999999"), Decimal("-1e-999999"), Decimal("0.0"), 0, -1, 10**40, 2**63, Decimal("1.5e308"), True]

numbers = st.one_of(
    st.integers(),
    st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**9), max_value=10**9),
    st.floats(width=32, allow_nan=False, allow_infinity=False).map(lambda each: Decimal(repr(each))),
    st.sampled_from(EXTREMES),
)
any_json = st.recursive(
    st.one_of(st.none(), st.booleans(), numbers, st.text(max_size=12), numbers.map(str)),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=8), inner, max_size=4)),
    max_leaves=12,
)


@st.composite
def mutated(draw: st.DrawFn, answer: Any) -> Any:
    """The answer with one to four of its values replaced by anything, or left out, somewhere."""
    changed = deepcopy(answer)
    for _ in range(draw(st.integers(1, 4))):
        places = _places(changed)
        if not places:
            return draw(any_json)
        container, key = draw(st.sampled_from(places))
        if draw(st.integers(0, 3)):
            container[key] = draw(st.one_of(any_json, numbers, st.none()))
        else:
            del container[key]
    return changed


def numbers_in(answer: Any) -> set[Decimal]:
    """Every number of the answer, whether it stands there as a number or as text."""
    if isinstance(answer, dict):
        return set().union(*map(numbers_in, answer.values()))
    if isinstance(answer, list):
        return set().union(*map(numbers_in, answer))
    try:
        return set() if answer is None or isinstance(answer, bool) else {Decimal(answer)}
    except ArithmeticError:
        return set()


def _places(value: Any) -> list[tuple[Any, Any]]:
    """Where a value stands: the object or array, and its name or position there."""
    if isinstance(value, dict):
        keys: list[Any] = list(value)
    elif isinstance(value, list):
        keys = list(range(len(value)))
    else:
        return []
    return [(value, key) for key in keys] + [place for key in keys for place in _places(value[key])]
