from decimal import Decimal

import pytest

from consumers.alerts.conditions.metrics import Sample
from consumers.alerts.rules.parser import parse_terms


@pytest.mark.parametrize(("seconds", "expected"), [(0, False), (1799, False), (1800, True), (9999, True)])
def test_no_data_is_true_after_a_silence_of_its_length(seconds: int, expected: bool) -> None:
    assert parse_terms("AAPL no data for 30m").condition.is_true(Sample(Decimal(seconds))) is expected
