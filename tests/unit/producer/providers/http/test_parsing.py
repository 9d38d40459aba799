"""The readers of JSON and of its text, with valid and invalid answers."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from producer.providers.base import InvalidBar, Quote
from producer.providers.http.parsing import (
    describe_text,
    find_nested,
    missing_symbol,
    next_minute,
    parse_json,
    read_bars,
    read_quote,
    truncate,
)
from producer.providers.http.values import read_optional_price, read_price
from shared.errors import InvalidResponse
from tests.event_factories import AS_OF


@pytest.mark.parametrize("text", ["", "{", '{"a": 1', "9" * 5000, "[" * 100_000, "<html>"])
def test_invalid_json_is_rejected(text: str) -> None:
    with pytest.raises(InvalidResponse, match=r"JSON|^an HTML page$|^an empty body$"):
        parse_json(text)


def test_a_number_that_json_does_not_know_is_missing() -> None:
    assert parse_json('{"c": NaN, "o": [Infinity, -Infinity], "l": 1}') == {"c": None, "o": [None, None], "l": 1}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("  \n", "an empty body"),
        ("<!DOCTYPE html><HTML><Title>Just a\n moment…</Title>", "an HTML page ('Just a moment…')"),
        ("<html><body></body>", "an HTML page"),
        ('{"price": 1', "broken JSON ('{\"price\": 1')"),
        ("Edge: Too Many Requests", "text that is not JSON ('Edge: Too Many Requests')"),
    ],
)
def test_a_text_that_is_not_json_is_described(text: str, message: str) -> None:
    assert describe_text(text) == message


def test_a_truncated_text_is_one_line_without_control_characters() -> None:
    assert truncate("a\x1b[31m\r\n b\0") == "a [31m b"
    assert len(truncate("x" * 10_000)) == 200


def test_next_minute_is_the_beginning_of_the_next_minute() -> None:
    assert next_minute(AS_OF) == AS_OF + timedelta(seconds=2)
    assert next_minute(datetime(2024, 11, 20, 10, tzinfo=UTC)) == datetime(2024, 11, 20, 10, 1, tzinfo=UTC)


def read_bar(as_of: datetime, bar: Any) -> Quote:
    return Quote(read_price(bar["c"]), as_of, high=read_optional_price(bar.get("h")))


def read_as_of(bar: Any) -> datetime:
    if "t" not in bar:
        raise InvalidResponse("the time is missing")
    return AS_OF + timedelta(days=bar["t"])


def test_an_invalid_bar_costs_only_itself() -> None:
    bars = [{"t": 0, "c": 1, "h": 2}, {"t": 1, "c": -1}, {"c": 3}, {"t": 2, "c": 4, "h": 3}]
    assert read_bars(read_as_of, read_bar, bars) == [
        Quote(Decimal(1), AS_OF, high=Decimal(2)),
        InvalidBar(AS_OF + timedelta(days=1), "the price '-1' is negative"),
        InvalidBar(None, "the time is missing"),
        Quote(Decimal(4), AS_OF + timedelta(days=2)),
    ]
    assert read_bars(read_as_of, read_bar, []) == []
    with pytest.raises(InvalidResponse, match="the price '-1' is negative"):
        read_bars(read_as_of, read_bar, bars[1:3])


def test_a_quote_keeps_its_price_without_an_impossible_high() -> None:
    assert read_quote(lambda bar: read_bar(AS_OF, bar), {"c": 5, "h": 4}) == Quote(Decimal(5), AS_OF)


def test_a_symbol_in_other_case_is_another_security() -> None:
    assert str(missing_symbol("AMPB", ["X", "AMpB"])) == "the answer has 'AMpB', which is another security"
    assert str(missing_symbol("AMPB", ["X", "AMPX"])) == "the answer does not have it"


def test_a_value_is_found_by_its_path() -> None:
    answer = {"a": [{"b": 1}]}
    assert find_nested(answer, "a", 0, "b") == 1
    for path in (("a", 1), ("a", "b"), ("b",), ("a", 0, "b", "c")):
        assert find_nested(answer, *path) is None
