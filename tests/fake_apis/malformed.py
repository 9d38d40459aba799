"""Arbitrary JSON, valid answers with faults, and the rules that an API must keep for any answer."""

import copy
from collections.abc import Iterator, Sequence
from datetime import timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

from hypothesis import strategies as st

from producer.providers.base import Interval, Quote
from producer.providers.http.apis.base import Api, HistoricalApi
from shared.errors import ProviderError
from tests.event_factories import NOW

_TEXTS = ["", "0", "0.0000", "-1.5", "12.50", "NaN", "1e5", "error", "success", "2026-11-20", "2026-11-20 15:59:58"]
# The most that a price without the noise of a float may differ from the float: the error of a 32-bit float.
NOISE = Decimal(2) ** -24
# Numbers outside the range of prices.
_EXTREMES = [Decimal("1e999999"), Decimal("-1e-999999"), Decimal("0.0"), 0, -1, 10**40, 2**63]
_LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.decimals(allow_nan=False, allow_infinity=False),
    st.floats(width=32, allow_nan=False, allow_infinity=False).map(lambda each: Decimal(repr(each))),
    st.sampled_from(_EXTREMES),
    st.sampled_from(_TEXTS),
    st.text(max_size=10),
)


def any_json(names: Sequence[str]) -> st.SearchStrategy[Any]:
    """Generate JSON whose objects have these field names, among others."""
    keys = st.sampled_from(sorted(names)) | st.text(max_size=5)
    return st.recursive(
        _LEAVES,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=8),
        max_leaves=20,
    )


@st.composite
def corrupted(draw: st.DrawFn, good: Any, names: Sequence[str]) -> Any:
    """Generate a valid answer with up to three values changed or removed."""
    answer = copy.deepcopy(good)
    for _ in range(draw(st.integers(1, 3))):
        places = list(_places(answer))
        if not places:
            break
        container, key = draw(st.sampled_from(places))
        if draw(st.booleans()):
            container[key] = draw(any_json(names))
        else:
            del container[key]
    return answer


def names_in(answer: Any) -> list[str]:
    """Return all field names in an answer."""
    return sorted({key for container, key in _places(answer) if isinstance(container, dict)})


def check_reading(api: Api, symbols: Sequence[str], status: int, answer: Any) -> None:
    """Check that the API raises only ProviderError, and reads only prices in the answer, give or take a float error."""
    found = api.read_error(status, answer, NOW)
    assert found is None or isinstance(found, ProviderError)
    for call in [*api.quote_requests(symbols, NOW), *api.quote_requests(symbols[:1], NOW)]:
        try:
            answers = call.read(answer)
        except ProviderError:
            continue
        assert set(answers) <= set(call.symbols)
        assert all(isinstance(each, Quote | ProviderError) for each in answers.values())
        _check_prices([each for each in answers.values() if isinstance(each, Quote)], answer)
    if isinstance(api, HistoricalApi):
        _check_history(api, symbols[0], answer)


def _check_history(api: HistoricalApi, symbol: str, answer: Any) -> None:
    for interval in Interval:
        try:
            bars = api.history_request(symbol, interval, NOW - timedelta(days=3), NOW).read(answer)
        except ProviderError:
            continue
        _check_prices([each for each in bars if isinstance(each, Quote)], answer)


def _check_prices(quotes: Sequence[Quote], answer: Any) -> None:
    sent = {each for each in _numbers_in(answer) if each.is_finite() and abs(each.adjusted()) < 40}
    for quote in quotes:
        given = (quote.price, quote.open, quote.high, quote.low, quote.previous_close)
        prices = [price for price in given if price is not None]
        assert all(any(abs(each - price) <= abs(each) * NOISE for each in sent) for price in prices)
        assert all(price > 0 for price in prices)
        assert quote.as_of.utcoffset() == timedelta()


def _places(answer: Any) -> Iterator[tuple[Any, Any]]:
    for key in list(_keys(answer)):
        yield answer, key
        yield from _places(answer[key])


def _keys(answer: Any) -> Any:
    if isinstance(answer, dict):
        return answer.keys()
    return range(len(answer)) if isinstance(answer, list) else ()


def _numbers_in(answer: Any) -> Iterator[Decimal]:
    for container, key in _places([answer]):
        value = container[key]
        if isinstance(value, int | Decimal | str) and not isinstance(value, bool):
            try:
                yield Decimal(value.strip() if isinstance(value, str) else value)
            except InvalidOperation:
                continue
