"""The marks of fault tests."""

import pytest

from tests.faults.ledger import PromiseBroken

fault = pytest.mark.fault
"""Not in the plain run: `./stockwire test --faults`."""


def control(test):  # type: ignore[no-untyped-def]
    """A fault test on a part that is broken on purpose: it has to end with PromiseBroken, or the test shows nothing."""
    return pytest.mark.control(pytest.mark.xfail(raises=PromiseBroken, strict=True)(test))
