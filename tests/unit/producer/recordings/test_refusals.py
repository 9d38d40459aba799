from producer.recordings.refusals import SHOWN_PER_KIND, Refusals
from producer.recordings.rows import InvalidRow


def test_rows_with_the_same_fault_are_one_kind() -> None:
    refusals = Refusals()
    shown = [refusals.add(InvalidRow(line, f"close 'x{line}' is not a decimal number")) for line in range(2, 32)]
    assert refusals.add(InvalidRow(40, "has 3 fields, the header has 5"))
    assert shown == [True] * SHOWN_PER_KIND + [False] * (30 - SHOWN_PER_KIND)
    assert [(each.first.line, each.count) for each in refusals.kinds()] == [(2, 30), (40, 1)]
    assert (refusals.count, refusals.hidden()) == (31, 30 - SHOWN_PER_KIND)


def test_the_number_of_kinds_is_bounded() -> None:
    refusals = Refusals()
    for number in range(1000):
        refusals.add(InvalidRow(number, "reason " + "x" * number))
    assert len(list(refusals.kinds())) == 101
    assert refusals.count == 1000
