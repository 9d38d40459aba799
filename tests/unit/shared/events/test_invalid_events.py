import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import InvalidEvent
from shared.events import MAX_BODY, PriceAlert, StockData, decode_event
from tests.event_factories import FULL_STOCK_DATA, MISSING, NOW, changed_body, price_alert, property_test, stock_body

DEEP = "nested"


def decoded(body: bytes) -> StockData:
    return StockData.decode(body, NOW)


def nested(depth: int, field: str) -> bytes:
    return stock_body(**{field: DEEP}).replace(f'"{DEEP}"'.encode(), b"[" * depth + b"]" * depth)


BAD_BODIES: dict[str, tuple[bytes, str]] = {
    "an empty body": (b"", "empty body"),
    "blanks": (b"  \n", "not JSON"),
    "text": (b"AAPL 187.44", "not JSON"),
    "half a message": (stock_body()[:-20], "not JSON"),
    "two messages": (stock_body() * 2, "not JSON"),
    "a byte order mark": (b"\xef\xbb\xbf" + stock_body(), "not JSON"),
    "not UTF-8": (stock_body().replace(b"AAPL", b"AA\xff\xfe"), "not UTF-8"),
    "UTF-16": (stock_body().decode().encode("utf-16"), "not UTF-8"),
    "zero bytes": (bytes(300), "not JSON"),
    "an array": (b"[" + stock_body() + b"]", "not a JSON object"),
    "null": (b"null", "not a JSON object"),
    "a number": (b"12", "not a JSON object"),
    "an empty object": (b"{}", "specversion"),
    "data alone": (b'{"symbol": "AAPL", "price": "1"}', "specversion"),
    "another version": (stock_body({"specversion": "0.3"}), "specversion"),
    "another type": (stock_body({"type": "TRADE"}), "TRADE"),
    "no type": (stock_body({"type": MISSING}), "type"),
    "a type that is a list": (stock_body({"type": ["STOCK_DATA"]}), "type"),
    "data that is text": (stock_body({"data": "AAPL"}), "data is not an object"),
    "no data": (stock_body({"data": MISSING}), "data is not an object"),
    "NaN": (stock_body(note=float("nan")), "NaN is not a JSON number"),
    "Infinity": (stock_body(note=float("inf")), "Infinity is not a JSON number"),
    "nesting without end": (nested(30_000, "note"), "not JSON"),
    "an unknown field that is not UTF-8": (stock_body(note="zz").replace(b"zz", b"\xff\xfe"), "not UTF-8"),
    "over 64 KiB": (stock_body(note="x" * MAX_BODY), "over 64 KiB"),
    "another subject": (stock_body({"subject": "MSFT"}), "subject 'MSFT' is not the symbol 'AAPL'"),
}


@pytest.mark.parametrize(("body", "reason"), BAD_BODIES.values(), ids=BAD_BODIES)
def test_a_body_that_is_not_an_event_is_rejected_with_a_reason(body: bytes, reason: str) -> None:
    with pytest.raises(InvalidEvent, match=reason):
        decoded(body)


BAD_PRICES: list[tuple[Any, str]] = [
    (MISSING, "price is missing"),
    (None, "price is missing"),
    (187.44, "must be a decimal string"),
    (187, "must be a decimal string"),
    (True, "must be a decimal string"),
    (["1"], "must be a decimal string"),
    ({"amount": "1"}, "must be a decimal string"),
    ("", "not a decimal number"),
    ("-1.5", "is negative"),
    ("0", "more than zero"),
    ("+1", "not a decimal number"),
    ("NaN", "not a decimal number"),
    ("Infinity", "not a decimal number"),
    ("-Infinity", "not a decimal number"),
    ("1e3", "not a decimal number"),
    ("1,5", "not a decimal number"),
    ("1_000", "not a decimal number"),
    (" 1", "not a decimal number"),
    ("1\n", "not a decimal number"),
    ("٤١٢", "not a decimal number"),
    ("1.", "not a decimal number"),
    (".5", "not a decimal number"),
    ("0.0", "canonical form"),
    ("412.50", "canonical form"),
    ("0412.5", "canonical form"),
    ("1234567890123456", "more than 15 significant digits"),
    ("0.1234567890123456", "more than 15 significant digits"),
    ("9" * 60_000, "more than 15 significant digits"),
    ("0." + "0" * 60_000 + "1", "more than 15 significant digits"),
    ("\ud800", "not a decimal number"),
]


@pytest.mark.parametrize(("price", "reason"), BAD_PRICES, ids=lambda value: repr(value)[:24])
def test_a_price_that_is_none_is_refused(price: Any, reason: str) -> None:
    with pytest.raises(InvalidEvent, match=reason):
        decoded(stock_body(price=price))
    if price is not MISSING and price is not None:
        with pytest.raises(InvalidEvent, match=reason):
            decoded(stock_body(previous_close=price))


def test_an_exponent_past_every_float_is_refused() -> None:
    """Python reads 1e400 as infinity."""
    with pytest.raises(InvalidEvent, match="must be a decimal string, not inf"):
        decoded(stock_body(price=0).replace(b'"price": 0', b'"price": 1e400'))
    with pytest.raises(InvalidEvent, match="volume"):
        decoded(stock_body(volume=0).replace(b'"volume": 0', b'"volume": 1e400'))


BAD_FIELDS: list[tuple[str, list[Any], str]] = [
    ("symbol", [MISSING, None, "", "aapl", "A B", "A*", "#", "X" * 33, "Ä", "A\n", "\ud800", 5, ["AAPL"]], "symbol"),
    ("currency", ["usd", "US", "USDT", "", "US\n", 840, ["USD"]], "currency"),
    ("currency", ["GBp", "GBX", "ILA", "ZAc", "USX", "KWF", "DEM", "BGN"], "not an active currency code of ISO 4217"),
    ("interval", ["", "1", "d", "1x", "0d", "-1d", "1.5h", "1D", "1d\n", 1, True, ["1d"]], "interval"),
    ("as_of", [MISSING, None], "as_of is missing"),
    ("as_of", [1732096798, 1732096798.5, ["2024-11-20T09:59:58Z"], True], "as_of is not text"),
    ("as_of", ["2024-11-20T09:59:58", "2024-11-20", "2024-11-20 09:59:58Z", "yesterday", "", "\ud800"], "as_of"),
    ("as_of", ["2024-02-30T00:00:00Z", "2024-01-01T25:00:00Z", "2024-01-01T00:00:60Z"], "as_of"),
    ("as_of", ["2024-01-01T00:00:00+24:00", "0001-01-01T00:00:00+05:00", "9999-12-31T23:59:59-05:00"], "as_of"),
    ("as_of", ["2024-11-20T10:10:00Z", "2124-11-20T10:00:00Z"], "in the future"),
    ("provider", [MISSING, None, "", "x" * 129, "a\nb", "\x1b[31m", "\ud800", 5, ["yahoo"]], "provider"),
    ("volume", [-1, 1.5, "100", True, 2**63, 10**400, [1]], "volume"),
    ("market_state", ["", 5, True, "x" * 129, "a\x00b", ["REGULAR"]], "market_state"),
    ("delayed", [0, 1, "true", [True]], "delayed"),
]


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [(field, value, reason) for field, values, reason in BAD_FIELDS for value in values],
    ids=lambda value: repr(value)[:24],
)
def test_a_field_of_another_form_is_refused(field: str, value: Any, reason: str) -> None:
    with pytest.raises(InvalidEvent, match=reason):
        decoded(stock_body(**{field: value}))


@pytest.mark.parametrize("value", [MISSING, None, "", 7, "x" * 129, "a\nb", ["id"]])
def test_an_id_of_another_form_is_refused(value: Any) -> None:
    with pytest.raises(InvalidEvent, match="id"):
        decoded(stock_body({"id": value}))


@pytest.mark.parametrize("value", [MISSING, None, 7, "now", "2024-11-20T10:00:00"])
def test_a_time_of_another_form_is_refused(value: Any) -> None:
    with pytest.raises(InvalidEvent, match="time"):
        decoded(stock_body({"time": value}))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("rule_id", "1"),
        ("rule_id", True),
        ("rule_id", MISSING),
        ("rule_name", MISSING),
        ("rule_name", "a\nb"),
        ("condition", 5),
        ("symbol", "aapl"),
        ("price", 1.5),
        ("previous_price", "-1"),
        ("threshold", MISSING),
        ("as_of", "2024-11-20"),
        ("triggered_at", MISSING),
        ("event_id", ""),
        ("state", "over"),
        ("terms", "a\nb"),
        ("message", "a\x1bb"),
        ("message", "a" * 1025),
        ("silenced", 1),
    ],
)
def test_an_alert_with_a_field_of_another_form_is_refused(field: str, value: Any) -> None:
    with pytest.raises(InvalidEvent, match=field):
        PriceAlert.decode(changed_body(price_alert().encode(), {}, {field: value}), NOW)


def test_one_event_is_not_read_as_the_other() -> None:
    with pytest.raises(InvalidEvent, match="'PRICE_ALERT' is not STOCK_DATA"):
        StockData.decode(price_alert().encode(), NOW)
    with pytest.raises(InvalidEvent, match="'STOCK_DATA' is not PRICE_ALERT"):
        PriceAlert.decode(stock_body(), NOW)
    with pytest.raises(InvalidEvent, match="not one of STOCK_DATA, PRICE_ALERT, RULES_HELD"):
        decode_event(stock_body({"type": "TRADE"}), NOW)


@pytest.mark.parametrize("depth", [10, 500, *range(960, 1000, 3), 5000])
@pytest.mark.parametrize("field", ["symbol", "price", "currency", "as_of", "volume"])
def test_nesting_of_any_depth_is_rejected_with_a_reason(field: str, depth: int) -> None:
    """A nesting that the JSON reader accepts may still be too deep for the code that prints the reason."""
    with pytest.raises(InvalidEvent):
        decode_event(nested(depth, field), NOW)


def test_a_reason_is_short_for_any_body() -> None:
    """The reason goes into a header and into the log."""
    long = "x" * 60_000
    far = "0001-01-01T00:00:00." + "1" * 60_000 + "+05:00"
    changes: list[dict[str, Any]] = [
        *({field: long} for field in ("symbol", "price", "currency", "as_of", "provider", "market_state")),
        *({field: [long]} for field in ("symbol", "price", "currency", "volume")),
        {"as_of": far},
    ]
    for change in changes:
        with pytest.raises(InvalidEvent) as caught:
            decoded(stock_body(**change))
        assert len(str(caught.value)) < 200, change
    for envelope in ({"type": long}, {"subject": long}, {"specversion": long}, {"id": long}, {"time": far}):
        with pytest.raises(InvalidEvent) as caught:
            decoded(stock_body(envelope))
        assert len(str(caught.value)) < 200, envelope


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda children: st.lists(children) | st.dictionaries(st.text(), children),
    max_leaves=20,
)


@property_test
@given(st.binary(max_size=300))
def test_arbitrary_bytes_give_invalid_event_and_nothing_else(body: bytes) -> None:
    with pytest.raises(InvalidEvent):
        decode_event(body, NOW)


@property_test
@given(json_values)
def test_arbitrary_json_gives_invalid_event_and_nothing_else(value: Any) -> None:
    with pytest.raises(InvalidEvent):
        decode_event(json.dumps(value).encode(), NOW)


@property_test
@given(
    st.sampled_from(["specversion", "id", "type", "subject", "time", "data", "symbol", "price", "currency", "as_of"]),
    json_values,
)
def test_arbitrary_json_in_any_field_gives_an_event_or_invalid_event(field: str, value: Any) -> None:
    for body in (stock_body({field: value}), stock_body(**{field: value})):
        try:
            event = decode_event(body, NOW)
        except InvalidEvent:
            continue
        assert decode_event(event.encode(), NOW) == event


@property_test
@given(st.data())
def test_a_message_with_any_byte_changed_gives_an_event_or_invalid_event(data: st.DataObject) -> None:
    body = bytearray(FULL_STOCK_DATA.encode())
    for _ in range(data.draw(st.integers(1, 4))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    try:
        event = decode_event(bytes(body), NOW)
    except InvalidEvent:
        return
    assert decode_event(event.encode(), NOW) == event
