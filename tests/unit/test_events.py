import json
import uuid
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.envelope import MAX_BODY
from shared.errors import InvalidEvent
from shared.events import PriceAlert, StockData, decode_event, price_alert_id, stock_data_id
from tests.factories import AS_OF, MISSING, NOW, changed_body, price_alert, property_test, stock_body, stock_data

FULL = stock_data(
    "BRK.B",
    "412.35",
    provider="yahoo",
    volume=1234567,
    open=Decimal("410.1"),
    high=Decimal(413),
    low=Decimal("409.99"),
    previous_close=Decimal("410.5"),
    market_state="REGULAR",
    delayed=True,
)
DEEP = "nested"

instants = st.timedeltas(timedelta(days=-45_000), timedelta()).map(lambda age: NOW + age)
prices = st.integers(1, 10**15 - 1).flatmap(
    lambda digits: st.integers(-15, 0).map(lambda exponent: Decimal(digits).scaleb(exponent))
)
names = st.text(st.characters(categories=["L", "N", "P"]), min_size=1, max_size=128).filter(str.isprintable)
events = st.builds(
    stock_data,
    symbol=st.from_regex(r"[A-Z0-9.\-^=:/_]{1,32}", fullmatch=True),
    price=prices,
    as_of=instants,
    provider=names,
    currency=st.none() | st.from_regex(r"[A-Z]{3}", fullmatch=True),
    observed_at=instants,
    volume=st.none() | st.integers(0, 2**63 - 1),
    open=st.none() | prices,
    market_state=st.none() | names,
    delayed=st.none() | st.booleans(),
)


def decoded(body: bytes) -> StockData:
    return StockData.decode(body, NOW)


class TestTheMessage:
    def test_it_stands_in_the_contract_as_an_example(self) -> None:
        assert json.loads(FULL.encode()) == {
            "specversion": "1.0",
            "id": FULL.id,
            "source": "/stockwire/producer",
            "type": "STOCK_DATA",
            "subject": "BRK.B",
            "time": "2024-11-20T10:00:03.120000Z",
            "datacontenttype": "application/json",
            "data": {
                "symbol": "BRK.B",
                "price": "412.35",
                "currency": "USD",
                "as_of": "2024-11-20T09:59:58Z",
                "provider": "yahoo",
                "volume": 1234567,
                "open": "410.1",
                "high": "413",
                "low": "409.99",
                "previous_close": "410.5",
                "market_state": "REGULAR",
                "delayed": True,
            },
        }

    def test_what_a_provider_does_not_say_is_left_out_but_the_currency_is_null(self) -> None:
        data = json.loads(stock_data(currency=None).encode())["data"]
        assert data == {
            "symbol": "AAPL",
            "price": "187.44",
            "currency": None,
            "as_of": "2024-11-20T09:59:58Z",
            "provider": "simulated",
        }

    def test_it_reads_back_as_it_was_written(self) -> None:
        assert decoded(FULL.encode()) == FULL

    @property_test
    @given(events)
    def test_every_event_reads_back_as_it_was_written(self, event: StockData) -> None:
        assert decoded(event.encode()) == event
        assert decode_event(event.encode(), NOW) == event

    def test_an_alert_reads_back_as_it_was_written(self) -> None:
        first = price_alert(previous_price=None)
        for alert in (price_alert(), first):
            assert PriceAlert.decode(alert.encode(), NOW) == alert
            assert decode_event(alert.encode(), NOW) == alert

    def test_an_alert_says_what_fired_it(self) -> None:
        alert = price_alert(stock_data())
        envelope = json.loads(alert.encode())
        assert (envelope["type"], envelope["subject"]) == ("PRICE_ALERT", "AAPL")
        assert envelope["data"] == {
            "rule_id": 1,
            "rule_name": "target",
            "condition": "crossing_up",
            "symbol": "AAPL",
            "price": "187.44",
            "previous_price": "186.5",
            "threshold": "187",
            "as_of": "2024-11-20T09:59:58Z",
            "triggered_at": "2024-11-20T10:00:03.122000Z",
            "event_id": stock_data().id,
        }

    def test_a_price_is_written_in_canonical_form(self) -> None:
        for given_as, written in (("412.50", "412.5"), ("2E+2", "200"), ("200.00", "200"), ("1E-7", "0.0000001")):
            assert json.loads(stock_data(price=Decimal(given_as)).encode())["data"]["price"] == written

    def test_a_body_over_64_kib_is_not_written(self) -> None:
        with pytest.raises(InvalidEvent, match="over 64 KiB"):
            stock_data(market_state="x" * MAX_BODY).encode()


class TestTheId:
    def test_the_same_price_has_the_same_id(self) -> None:
        assert stock_data_id("yahoo", "BRK.B", AS_OF) == stock_data_id("yahoo", "BRK.B", AS_OF)
        assert uuid.UUID(stock_data_id("yahoo", "BRK.B", AS_OF)).version == 5

    def test_it_stays_the_same_from_release_to_release(self) -> None:
        assert stock_data_id("simulated", "AAPL", AS_OF) == "7f0040cf-bbb4-502b-9742-93e3ea856c00"
        assert price_alert_id(1, "target", stock_data().id) == "1028267f-c58a-58ad-a2c0-fbd33d014433"

    @property_test
    @given(instants, st.integers(-14 * 60, 14 * 60))
    def test_it_does_not_depend_on_the_offset_of_as_of(self, as_of: datetime, minutes: int) -> None:
        elsewhere = as_of.astimezone(timezone(timedelta(minutes=minutes)))
        assert stock_data_id("yahoo", "AAPL", elsewhere) == stock_data_id("yahoo", "AAPL", as_of)

    def test_another_provider_symbol_or_instant_has_another_id(self) -> None:
        ids = {
            stock_data_id("yahoo", "AAPL", AS_OF),
            stock_data_id("stooq", "AAPL", AS_OF),
            stock_data_id("yahoo", "MSFT", AS_OF),
            stock_data_id("yahoo", "AAPL", AS_OF + timedelta(microseconds=1)),
        }
        assert len(ids) == 4

    def test_an_alerts_id_depends_on_rule_and_event(self) -> None:
        assert price_alert_id(1, "a", "e") == price_alert_id(1, "a", "e")
        assert len({price_alert_id(*key) for key in [(1, "a", "e"), (2, "a", "e"), (1, "a", "f")]}) == 3


class TestWhatAReaderTakes:
    @pytest.mark.parametrize(
        ("as_of", "utc"),
        [
            ("2024-11-20T09:59:58Z", AS_OF),
            ("2024-11-20T04:59:58-05:00", AS_OF),
            ("2024-11-20T15:29:58+05:30", AS_OF),
            ("2024-11-20T09:59:58.5Z", AS_OF + timedelta(milliseconds=500)),
            ("2024-11-20T09:59:58.123456789Z", AS_OF + timedelta(microseconds=123456)),
        ],
    )
    def test_as_of_with_any_offset_is_the_same_instant_in_utc(self, as_of: str, utc: datetime) -> None:
        event = decoded(stock_body(as_of=as_of))
        assert event.as_of == utc
        assert event.as_of.tzinfo is UTC

    def test_as_of_may_be_up_to_5_minutes_ahead(self) -> None:
        limit = NOW + timedelta(minutes=5)
        assert decoded(stock_body(as_of=limit.isoformat())).as_of == limit
        with pytest.raises(InvalidEvent, match="in the future"):
            decoded(stock_body(as_of=(limit + timedelta(microseconds=1)).isoformat()))

    def test_unknown_fields_are_ignored(self) -> None:
        body = stock_body({"traceparent": "00-1", "extra": [1, None]}, exchange="NASDAQ", bid=1.5, note="\ud800")
        assert decoded(body) == stock_data()

    def test_an_envelope_without_subject_is_taken(self) -> None:
        assert decoded(stock_body({"subject": MISSING, "datacontenttype": MISSING, "source": MISSING})) == stock_data()

    def test_a_body_of_exactly_64_kib_is_taken_and_one_more_byte_is_not(self) -> None:
        room = MAX_BODY - len(stock_body(note=""))
        assert decoded(stock_body(note="x" * room)) == stock_data()
        with pytest.raises(InvalidEvent, match="65537 bytes is over 64 KiB"):
            decoded(stock_body(note="x" * (room + 1)))

    def test_of_a_key_that_comes_twice_the_last_one_counts(self) -> None:
        """RFC 8259 leaves it open; what matters is that it is one of them, and checked."""
        twice = stock_body().replace(b'"price"', b'"price": "1", "price"')
        assert decoded(twice).price == Decimal("187.44")
        with pytest.raises(InvalidEvent, match="price"):
            decoded(stock_body().replace(b'"187.44"', b'"187.44", "price": -1'))

    def test_optional_fields_may_be_null(self) -> None:
        nulls = dict.fromkeys(("volume", "open", "high", "low", "previous_close", "market_state", "delayed"))
        assert decoded(stock_body(currency=None, **nulls)) == stock_data(currency=None)


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
    "NaN": (stock_body(note=float("nan")), "NaN is no JSON number"),
    "Infinity": (stock_body(note=float("inf")), "Infinity is no JSON number"),
    "nesting without end": (nested(30_000, "note"), "not JSON"),
    "an integer of 5000 digits": (stock_body(note=0).replace(b'"note": 0', b'"note": ' + b"9" * 5000), "not JSON"),
    "over 64 KiB": (stock_body(note="x" * MAX_BODY), "over 64 KiB"),
    "another subject": (stock_body({"subject": "MSFT"}), "subject 'MSFT' is not the symbol 'AAPL'"),
}


@pytest.mark.parametrize(("body", "reason"), BAD_BODIES.values(), ids=BAD_BODIES)
def test_a_body_that_is_no_event_is_refused(body: bytes, reason: str) -> None:
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
    with pytest.raises(InvalidEvent, match="none of STOCK_DATA, PRICE_ALERT"):
        decode_event(stock_body({"type": "TRADE"}), NOW)


@pytest.mark.parametrize("depth", [10, 500, *range(960, 1000, 3), 5000])
@pytest.mark.parametrize("field", ["symbol", "price", "currency", "as_of", "volume"])
def test_nesting_of_any_depth_is_refused_with_a_reason(field: str, depth: int) -> None:
    """What the JSON reader just takes may be too deep for whatever shows it in the reason."""
    with pytest.raises(InvalidEvent):
        decode_event(nested(depth, field), NOW)


def test_a_reason_is_short_whatever_the_body() -> None:
    """It goes into a header and into the log."""
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
    body = bytearray(FULL.encode())
    for _ in range(data.draw(st.integers(1, 4))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    try:
        event = decode_event(bytes(body), NOW)
    except InvalidEvent:
        return
    assert decode_event(event.encode(), NOW) == event
