"""The pytest markers of fault tests."""

import pytest

from tests.faults.ledger import PromiseBroken

fault = pytest.mark.fault
"""Not in the plain run: `./stockwire test --faults`."""


def control(test):  # type: ignore[no-untyped-def]
    """Mark a fault test of a sabotaged part. It must end with PromiseBroken, or the fault test shows nothing."""
    return pytest.mark.control(pytest.mark.xfail(raises=PromiseBroken, strict=True)(test))
