"""The registry: a new condition is one new file."""

import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from consumers.alerts import conditions
from consumers.alerts.conditions.registry import all_conditions, conditions_by_phrase, supported_conditions
from consumers.alerts.rules.parser import parse_terms

AT_LEAST = """
from consumers.alerts.conditions.base import Region
from consumers.alerts.conditions.price_condition import PriceCondition


class AtLeast(PriceCondition):
    phrase = "at least"
    form = "at least PRICE"
    example = "AAPL at least 200"

    def regions(self):
        return [Region(low=float(self.price))]

    def is_true(self, sample):
        return sample.value >= self.price


CONDITION = AtLeast
"""


def forget() -> None:
    all_conditions.cache_clear()
    conditions_by_phrase.cache_clear()


@pytest.fixture
def extra_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Return a folder whose files count as files of the package `conditions`."""
    monkeypatch.setattr(conditions, "__path__", [*conditions.__path__, str(tmp_path)])
    forget()
    yield tmp_path
    forget()
    for path in tmp_path.glob("*.py"):
        sys.modules.pop(f"{conditions.__name__}.{path.stem}", None)


def test_conditions_are_found_by_the_names_of_their_files() -> None:
    assert list(all_conditions()) == [
        "above",
        "below",
        "crossing",
        "crossing_down",
        "crossing_up",
        "entering_channel",
        "exiting_channel",
        "inside_channel",
        "moving_down",
        "moving_up",
        "new_high",
        "new_low",
        "no_data",
        "outside_channel",
        "volume_above",
    ]
    assert supported_conditions().startswith("above, below, crossing, crossing down, crossing up, entering channel")


def test_a_name_is_one_word_of_a_routing_key() -> None:
    assert all(re.fullmatch("[a-z_]+", name) for name in all_conditions())


@pytest.mark.parametrize("name", all_conditions())
def test_the_example_of_a_condition_is_read_as_that_condition_and_written_back(name: str) -> None:
    terms = parse_terms(all_conditions()[name].example)
    assert terms.condition.key() == name
    assert str(terms) == all_conditions()[name].example
    assert parse_terms(str(terms)) == terms


def test_adding_a_condition_takes_one_file(extra_folder: Path, fired_at: Callable[[str, str], str]) -> None:
    (extra_folder / "at_least.py").write_text(AT_LEAST)
    assert str(parse_terms("AAPL at least 200")) == "AAPL at least 200"
    assert "at least" in supported_conditions()
    assert fired_at("AAPL at least 200", "200 201 199 199.99 200 199 300") == "! . . . ! . !"


@pytest.mark.parametrize("source", ["", "CONDITION = 1", AT_LEAST.replace("CONDITION =", "OTHER =")])
def test_a_file_without_a_condition_is_reported(extra_folder: Path, source: str) -> None:
    (extra_folder / "wrong.py").write_text(source)
    with pytest.raises(TypeError, match=re.escape("conditions/wrong.py must define CONDITION as a class of its own")):
        all_conditions()
