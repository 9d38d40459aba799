import json
from typing import Any

import jsonschema
import pytest

from shared.events.schemas import event_schemas, format_schema
from shared.settings import ROOT
from tests.event_factories import FULL_STOCK_DATA, price_alert, rules_held, stock_body, stock_data

SCHEMAS = event_schemas()


@pytest.mark.parametrize("name", SCHEMAS)
def test_the_published_schema_matches_the_declaration(name: str) -> None:
    """Compare the files; to write them again, run .venv/bin/python -m shared.events.schemas docs/schemas."""
    assert (ROOT / "docs" / "schemas" / name).read_text() == format_schema(SCHEMAS[name])


def validate(name: str, body: bytes) -> None:
    jsonschema.Draft202012Validator(SCHEMAS[name]).validate(json.loads(body))


def test_published_events_are_valid_by_their_schema() -> None:
    for event in (stock_data(), FULL_STOCK_DATA, stock_data("M&M.NS", currency=None, interval="1d")):
        validate("stock_data.json", event.encode())
    for alert in (price_alert(), price_alert(previous_price=None)):
        validate("price_alert.json", alert.encode())
    validate("rules_held.json", rules_held().encode())


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("symbol", "aapl"),
        ("price", 187.44),
        ("price", "412.50"),
        ("price", "0"),
        ("price", "1234567890123456"),
        ("currency", "GBp"),
        ("as_of", "2024-11-20"),
        ("provider", ""),
        ("volume", -1),
        ("interval", "often"),
    ],
)
def test_the_schema_rejects_the_values_that_stockwire_rejects(field: str, value: Any) -> None:
    with pytest.raises(jsonschema.ValidationError):
        validate("stock_data.json", stock_body(**{field: value}))
