import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producer.recordings.lines import MAX_LINE, Lines, Quotes, scan_quotes
from tests.event_factories import property_test


@pytest.mark.parametrize(
    ("line", "state"),
    [
        *(
            ("a,b\n", Quotes.CLOSED),
            ('a,"b"\n', Quotes.CLOSED),
            ('"a","b"', Quotes.CLOSED),
            ('a,"b""c"\r\n', Quotes.CLOSED),
        ),
        *(('a,b"c\n', Quotes.CLOSED), ('a,""\n', Quotes.CLOSED), ('a,"b\n', Quotes.OPEN), ('"\n', Quotes.OPEN)),
        *(('a,"b""\n', Quotes.OPEN), ('a,"b"c\n', Quotes.MISPLACED), ('a,"b" ,c\n', Quotes.MISPLACED)),
    ],
)
def test_a_quote_opens_and_closes_a_field_only_at_its_ends(line: str, state: Quotes) -> None:
    assert scan_quotes(line, ",") is state


@property_test
@given(st.lists(st.lists(st.text(alphabet='a1 ,;"\n\r#', max_size=8), min_size=2, max_size=4), max_size=6))
def test_what_the_csv_module_writes_is_read_back(rows: list[list[str]]) -> None:
    rows = [["x", *row] for row in rows]
    written = io.StringIO()
    csv.writer(written).writerows(rows)
    lines = Lines(io.StringIO(written.getvalue(), newline=""))
    assert list(csv.reader(lines)) == rows


def test_a_line_that_is_too_long_is_replaced_and_its_rest_is_not_kept() -> None:
    lines = Lines(io.StringIO("a\n" + "b" * (3 * MAX_LINE) + "\nc\n" + "d" * (MAX_LINE - 1) + "\n"))
    found = [(len(line), lines.take_fault()) for line in lines]
    assert found == [(2, None), (1, "is longer than 65,536 characters"), (2, None), (MAX_LINE, None)]


def test_lines_can_be_looked_at_before_they_are_taken_and_given_back() -> None:
    lines = Lines(io.StringIO('"a\nb",c\nd\ne\n'))
    assert lines.peek(2) == ['"a\n', 'b",c\n']
    record = lines.take_record()
    assert (record, lines.taken) == ('"a\nb",c\n', 2)
    lines.push_back(record)
    assert lines.taken == 0
    assert list(lines) == ['"a\n', 'b",c\n', "d\n", "e\n"]
    assert lines.peek(1) == []
    assert lines.take_record() == ""
