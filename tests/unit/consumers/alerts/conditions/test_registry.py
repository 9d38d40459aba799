"""The registry: a new condition is one new file."""

import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from consumers.alerts import conditions
from consumers.alerts.conditions.registry import operators, supported_conditions
from consumers.alerts.rules.parser import parse_condition

AT_LEAST = """
from operator import ge

from consumers.alerts.conditions.base import Interval, Operator

OPERATOR = Operator("at_least", rising=Interval.RIGHT_CLOSED, is_true=ge)
"""


@pytest.fixture
def extra_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Return a folder whose files count as files of the package `conditions`."""
    monkeypatch.setattr(conditions, "__path__", [*conditions.__path__, str(tmp_path)])
    operators.cache_clear()
    yield tmp_path
    operators.cache_clear()
    for path in tmp_path.glob("*.py"):
        sys.modules.pop(f"{conditions.__name__}.{path.stem}", None)


def test_operators_are_found_by_the_names_of_their_files() -> None:
    assert list(operators()) == ["above", "below", "crossing", "crossing_down", "crossing_up"]
    assert supported_conditions() == "above, below, crossing, crossing down, crossing up"


def test_a_name_is_one_word_of_a_routing_key() -> None:
    assert all(re.fullmatch("[a-z_]+", name) for name in operators())


def test_adding_a_condition_takes_one_file(extra_folder: Path, fired_at: Callable[[str, str], str]) -> None:
    (extra_folder / "at_least.py").write_text(AT_LEAST)
    assert str(parse_condition("AAPL at least 200")) == "AAPL at least 200"
    assert "at least" in supported_conditions()
    assert fired_at("AAPL at least 200", "200 201 199 199.99 200 199 300") == "! . . . ! . !"


@pytest.mark.parametrize("source", ["", "OPERATOR = 1", AT_LEAST])
def test_a_file_without_an_operator_of_its_name_is_reported(extra_folder: Path, source: str) -> None:
    (extra_folder / "wrong.py").write_text(source)
    with pytest.raises(TypeError, match=re.escape('conditions/wrong.py must define OPERATOR = Operator("wrong", ...)')):
        operators()
