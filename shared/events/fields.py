"""The types of the fields of an event, as they travel in JSON.

Prices and times travel as text: exact decimals in canonical form, and RFC 3339 with an offset. msgspec checks each
field against its type here, and writes the same rule into the JSON Schema.
"""

from typing import Annotated, Any, Literal

from msgspec import Meta, field

from shared.prices import PRICE_PATTERN
from shared.symbols import SYMBOL_PATTERN
from shared.times import INTERVAL_PATTERN, RFC3339_PATTERN

MAX_TEXT = 128
MAX_LONG_TEXT = 1024

Text = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=MAX_TEXT,
        description=f"Printable text of 1 to {MAX_TEXT} characters, without control characters.",
    ),
]
LongText = Annotated[
    str,
    Meta(
        max_length=MAX_LONG_TEXT,
        description=f"Printable text of up to {MAX_LONG_TEXT} characters, without control characters.",
    ),
]
Symbol = Annotated[
    str,
    Meta(
        pattern=SYMBOL_PATTERN,
        description="The symbol as the exchange writes it.",
        examples=["AAPL", "BRK.B", "M&M.NS"],
    ),
]
PriceText = Annotated[
    str,
    Meta(
        pattern=PRICE_PATTERN,
        description="A decimal above 0 of at most 15 significant digits, without exponent and trailing zeros.",
        examples=["412.35", "200"],
    ),
]
TimeText = Annotated[
    str,
    Meta(
        pattern=RFC3339_PATTERN,
        description="An instant by RFC 3339, with an offset.",
        examples=["2026-11-20T09:59:58Z"],
        extra_json_schema={"format": "date-time"},
    ),
]
IntervalText = Annotated[
    str, Meta(pattern=INTERVAL_PATTERN, description="The length of a bar.", examples=["1d", "1h", "5m"])
]
Volume = Annotated[int, Meta(ge=0, le=2**63 - 1, description="Whole shares.")]
RuleId = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
SpecVersion = Literal["1.0"]


def null() -> Any:
    """Declare that a field is null unless set, and is written even then."""
    return field(default_factory=lambda: None)
