"""The pictures of conditions in docs/alerts.md: prices one minute apart, and a mark wherever the rule fires.

`price`, `volume` and `close` (the previous close) are rows of numbers. Above them, each number is a dot in the row that
its label names.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

import pytest

from consumers.alerts.conditions.registry import all_conditions
from consumers.alerts.rule_run import Firing, RuleRun
from consumers.alerts.rules.models import Rule
from consumers.alerts.rules.parser import parse_terms
from shared.events import StockData
from shared.settings import ROOT
from tests.documents import Block, blocks
from tests.event_factories import AS_OF, changed, stock_data

PAGE = ROOT / "docs" / "alerts.md"
PICTURES = [block for block in blocks(PAGE) if block.language == "text" and "fires |" in block.text]


def columns(row: str) -> dict[int, str]:
    """Return the words of a row by the place where each ends."""
    return {match.end(): match[0] for match in re.finditer(r"[^\s-]+", row)}


def rows_of(block: Block) -> dict[str, dict[int, str]]:
    """Return the columns of each row by its label."""
    rows = (line.partition("|") for line in block.text.splitlines()[1:])
    return {label.strip(): columns(row) for label, _, row in rows}


def events_of(numbers: Mapping[str, Sequence[str]]) -> list[StockData]:
    count = len(next(iter(numbers.values())))
    found = []
    for minute in range(count):
        fields: dict[str, Any] = {}
        if "volume" in numbers:
            fields["volume"] = int(numbers["volume"][minute])
        event = stock_data("AAPL", numbers.get("price", ["100"] * count)[minute], AS_OF + minute * timedelta(minutes=1))
        if "close" in numbers:
            fields["previous_close"] = numbers["close"][minute]
        found.append(changed(event, **fields))
    return found


def test_every_condition_has_a_picture() -> None:
    drawn = {parse_terms(block.text.splitlines()[0]).condition.key() for block in PICTURES}
    # The silence of a feed has no prices.
    assert drawn == set(all_conditions()) - {"no_data"}


@pytest.mark.parametrize("block", PICTURES, ids=lambda block: block.text.splitlines()[0])
def test_a_rule_fires_where_its_picture_says(block: Block) -> None:
    rows = rows_of(block)
    numbers = {label: list(rows[label].values()) for label in ("price", "volume", "close") if label in rows}
    places = list(rows["volume" if "volume" in rows else "price"])
    run = RuleRun(Rule(1, "rule", parse_terms(block.text.splitlines()[0]), 1))
    fired = [
        place for place, event in zip(places, events_of(numbers), strict=True) if isinstance(run.take(event), Firing)
    ]
    assert list(rows["fires"]) == fired
    assert fired


@pytest.mark.parametrize("block", PICTURES, ids=lambda block: block.text.splitlines()[0])
def test_each_number_is_a_dot_at_its_height(block: Block) -> None:
    rows = rows_of(block)
    dots = {
        place: label for label, cells in rows.items() if label.isdigit() for place, cell in cells.items() if cell == "●"
    }
    assert dots == rows["volume" if "volume" in rows else "price"]
    heights = [int(label) for label in rows if label.isdigit()]
    assert heights == sorted(heights, reverse=True)
