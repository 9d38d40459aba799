import json
import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.cli.escaping import escape, escape_cell, escape_json
from tests.event_factories import property_test

DANGEROUS_CATEGORIES = {"Cc", "Cf", "Cs", "Zl", "Zp"}


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("stock.AAPL.price", "stock.AAPL.price"),
        ("Société Générale 日本 €", "Société Générale 日本 €"),
        ("\x1b]0;title\x07", r"\x1b]0;title\x07"),
        ("one\ntwo\r\tthree", r"one\ntwo\r\tthree"),
        ("C1 \x9b31m", r"C1 \x9b31m"),
        ("\u202egnp.exe", r"\u202egnp.exe"),
        ("half \udc9b", r"half \udc9b"),
        ("tag \U000e0041", r"tag \U000e0041"),
        ("C:\\temp", "C:\\temp"),
    ],
)
def test_characters_that_are_not_printable_become_escapes(text: str, escaped: str) -> None:
    assert escape(text) == escaped


def test_no_control_character_and_no_invisible_one_is_left() -> None:
    characters = map(chr, range(sys.maxunicode + 1))
    dangerous = "".join(each for each in characters if unicodedata.category(each) in DANGEROUS_CATEGORIES)
    assert len(dangerous) > 2000
    assert escape(dangerous).isascii()
    assert escape(dangerous).isprintable()


@property_test
@given(st.text(st.characters(exclude_categories=[])))
def test_escaped_json_has_the_same_value(text: str) -> None:
    line = escape_json(json.dumps(text, ensure_ascii=False))
    assert line.isprintable()
    assert json.loads(line) == text


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20"])
def test_a_cell_that_could_be_a_formula_starts_with_an_apostrophe(start: str) -> None:
    assert escape_cell(f"{start}1+1") == f"'{escape(start)}1+1"


def test_other_cells_stay_as_they_are() -> None:
    assert [escape_cell(text) for text in ("", "AAPL", "a=b", "'x")] == ["", "AAPL", "a=b", "'x"]
