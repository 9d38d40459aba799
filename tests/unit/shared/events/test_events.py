import json
import uuid
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import InvalidEvent
from shared.events import (
    MAX_BODY,
    PriceAlert,
    RulesHeld,
    StockData,
    decode_event,
    first_price_alert_id,
    price_alert_id,
    stock_data_id,
)
from shared.events.currencies import ACTIVE_CURRENCIES
from tests.event_factories import (
    AS_OF,
    FULL_STOCK_DATA,
    MISSING,
    NOW,
    changed_body,
    price_alert,
    property_test,
    rules_held,
    stock_body,
    stock_data,
)

instants = st.timedeltas(timedelta(days=-45_000), timedelta()).map(lambda age: NOW + age)
prices = st.integers(1, 10**15 - 1).flatmap(
    lambda digits: st.integers(-15, 0).map(lambda exponent: Decimal(digits).scaleb(exponent))
)
names = st.text(st.characters(categories=["L", "N", "P"]), min_size=1, max_size=128).filter(str.isprintable)
events = st.builds(
    stock_data,
    symbol=st.from_regex(r"[A-Z0-9.\-^=:/_&]{1,32}", fullmatch=True),
    price=prices,
    as_of=instants,
    provider=names,
    currency=st.none() | st.sampled_from(sorted(ACTIVE_CURRENCIES)),
    observed_at=instants,
    volume=st.none() | st.integers(0, 2**63 - 1),
    open=st.none() | prices,
    market_state=st.none() | names,
    delayed=st.none() | st.booleans(),
    interval=st.sampled_from([None, "1d", "1h", "5m", "1w", "1mo"]),
)


def decoded(body: bytes) -> StockData:
    return StockData.decode(body, NOW)


class TestTheMessage:
    def test_it_stands_in_the_contract_as_an_example(self) -> None:
        assert json.loads(FULL_STOCK_DATA.encode()) == {
            "specversion": "1.0",
            "id": FULL_STOCK_DATA.id,
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

    def test_missing_fields_are_left_out_but_a_missing_currency_is_null(self) -> None:
        data = json.loads(stock_data(currency=None).encode())["data"]
        assert data == {
            "symbol": "AAPL",
            "price": "187.44",
            "currency": None,
            "as_of": "2024-11-20T09:59:58Z",
            "provider": "simulated",
        }

    def test_it_reads_back_as_it_was_written(self) -> None:
        assert decoded(FULL_STOCK_DATA.encode()) == FULL_STOCK_DATA

    @property_test
    @given(events)
    def test_every_event_reads_back_as_it_was_written(self, event: StockData) -> None:
        assert decoded(event.encode()) == event
        assert decode_event(event.encode(), NOW) == event

    def test_an_alert_reads_back_as_it_was_written(self) -> None:
        first = price_alert(previous_price=None)
        silence = price_alert(price=None, threshold=None, event_id=None, state="resolved", silenced=True)
        for alert in (price_alert(), first, silence):
            assert PriceAlert.decode(alert.encode(), NOW) == alert
            assert decode_event(alert.encode(), NOW) == alert

    def test_an_alert_of_an_earlier_version_is_read(self) -> None:
        new = dict.fromkeys(("state", "terms", "message", "silenced"), MISSING)
        alert = PriceAlert.decode(changed_body(price_alert().encode(), {}, new), NOW)
        assert (alert.state, alert.terms, alert.message, alert.silenced) == ("firing", "", "", False)

    def test_held_rules_read_back_as_they_were_written(self) -> None:
        held = rules_held()
        assert RulesHeld.decode(held.encode(), NOW) == held
        assert decode_event(held.encode(), NOW) == held
        assert held.fields() == {
            "symbol": "AAPL",
            "price": "187.44",
            "previous_price": "749.76",
            "ratio": "4",
            "rule_ids": [1, 2],
            "as_of": "2024-11-20T09:59:58Z",
            "triggered_at": "2024-11-20T10:00:03.120000Z",
        }

    def test_an_alert_names_the_event_and_the_rule_that_fired_it(self) -> None:
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
            "state": "firing",
            "terms": "AAPL crossing up 187",
            "message": "It rises.",
            "silenced": False,
        }

    def test_a_price_is_written_in_canonical_form(self) -> None:
        for given_as, written in (("412.50", "412.5"), ("2E+2", "200"), ("200.00", "200"), ("1E-7", "0.0000001")):
            assert json.loads(stock_data(price=Decimal(given_as)).encode())["data"]["price"] == written

    @pytest.mark.parametrize(
        "fields",
        [
            {"market_state": "x" * 129},
            {"symbol": "aapl"},
            {"price": Decimal(-1)},
            {"price": Decimal("1e40")},
            {"currency": "GBp"},
            {"provider": "a\nb"},
            {"volume": -1},
            {"interval": "often"},
            {"as_of": NOW + timedelta(hours=1)},
        ],
        ids=str,
    )
    def test_an_event_that_readers_would_refuse_is_not_made(self, fields: dict[str, Any]) -> None:
        valid = {"symbol": "AAPL", "price": Decimal(1), "currency": None, "as_of": AS_OF, "provider": "yahoo"}
        with pytest.raises(InvalidEvent):
            StockData.create(**{**valid, "observed_at": NOW, **fields})

    def test_the_length_of_a_bar_has_one_spelling(self) -> None:
        for spelled, canonical in (("60m", "1h"), ("24h", "1d"), ("300s", "5m"), ("1w", "1w"), ("1mo", "1mo")):
            assert json.loads(stock_data(interval=canonical).encode())["data"]["interval"] == canonical
            assert decoded(stock_body(interval=spelled)).interval == canonical


class TestTheId:
    def test_the_same_price_has_the_same_id(self) -> None:
        assert stock_data_id("yahoo", "BRK.B", AS_OF) == stock_data_id("yahoo", "BRK.B", AS_OF)
        assert uuid.UUID(stock_data_id("yahoo", "BRK.B", AS_OF)).version == 5

    def test_it_stays_the_same_from_release_to_release(self) -> None:
        assert stock_data_id("simulated", "AAPL", AS_OF) == "7f0040cf-bbb4-502b-9742-93e3ea856c00"
        assert first_price_alert_id(1, "target", stock_data().id) == "1028267f-c58a-58ad-a2c0-fbd33d014433"
        assert price_alert_id(1, 2, "firing", stock_data().id) == "c4ef8b2b-caf4-5575-aded-ff4eb3b32c69"

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

    def test_a_bar_and_a_quote_of_one_instant_have_different_ids(self) -> None:
        ids = [stock_data_id("yahoo", "AAPL", AS_OF, interval) for interval in (None, "1d", "5m")]
        assert len(set(ids)) == 3

    def test_an_alerts_id_depends_on_rule_revision_state_and_event(self) -> None:
        keys = [
            (1, 1, "firing", "e"),
            (2, 1, "firing", "e"),
            (1, 2, "firing", "e"),
            (1, 1, "resolved", "e"),
            (1, 1, "firing", "f"),
        ]
        assert price_alert_id(*keys[0]) == price_alert_id(*keys[0])
        assert len({price_alert_id(*key) for key in keys}) == 5


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

    def test_time_may_be_up_to_5_minutes_ahead(self) -> None:
        limit = NOW + timedelta(minutes=5)
        assert decoded(stock_body({"time": limit.isoformat()})).observed_at == limit
        late = (limit + timedelta(microseconds=1)).isoformat()
        with pytest.raises(InvalidEvent, match=r"time 2024-11-20T10:05:03\.120001Z is in the future"):
            decoded(stock_body({"time": late}))
        with pytest.raises(InvalidEvent, match=r"time 2024-11-20T10:05:03\.120001Z is in the future"):
            PriceAlert.decode(changed_body(price_alert().encode(), {"time": late}, {}), NOW)

    def test_unknown_fields_are_ignored(self) -> None:
        body = stock_body({"traceparent": "00-1", "extra": [1, None]}, exchange="NASDAQ", bid=1.5, note="\ud800")
        assert decoded(body) == stock_data()
        many_digits = stock_body(note=0).replace(b'"note": 0', b'"note": ' + b"9" * 5000)
        assert decoded(many_digits) == stock_data()

    def test_an_envelope_without_subject_is_taken(self) -> None:
        event = decoded(stock_body({"subject": MISSING, "datacontenttype": MISSING, "source": MISSING}))
        assert (event.id, event.data) == (stock_data().id, stock_data().data)

    def test_a_body_of_exactly_64_kib_is_taken_and_one_more_byte_is_not(self) -> None:
        room = MAX_BODY - len(stock_body(note=""))
        assert decoded(stock_body(note="x" * room)) == stock_data()
        with pytest.raises(InvalidEvent, match="65537 bytes is over 64 KiB"):
            decoded(stock_body(note="x" * (room + 1)))

    def test_the_last_of_two_equal_keys_counts(self) -> None:
        """RFC 8259 leaves the choice open. The value that counts must be checked."""
        twice = stock_body().replace(b'"price"', b'"price": "1", "price"')
        assert decoded(twice).price == Decimal("187.44")
        with pytest.raises(InvalidEvent, match="price"):
            decoded(stock_body().replace(b'"187.44"', b'"187.44", "price": -1'))

    def test_optional_fields_may_be_null(self) -> None:
        nulls = dict.fromkeys(("volume", "open", "high", "low", "previous_close", "market_state", "delayed"))
        assert decoded(stock_body(currency=None, **nulls)) == stock_data(currency=None)
