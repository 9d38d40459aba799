"""The ratio of a share split as people write it: new shares for old ones."""

import re
from fractions import Fraction

_RATIO = re.compile(r"([0-9]{1,5}):([0-9]{1,5})", re.ASCII)
# The largest number in a ratio.
MOST = 10_000


def parse_split_ratio(text: str) -> Fraction:
    """Return the new shares per old share of `4:1`, or of `1:10` for a reverse split. Raises ValueError."""
    match = _RATIO.fullmatch(text.strip())
    new, old = (int(match[1]), int(match[2])) if match else (0, 0)
    if new == old or not (0 < new <= MOST and 0 < old <= MOST):
        raise ValueError(f"{text[:40]!r} is not a ratio such as 4:1 (four new shares for one old) or 1:10")
    return Fraction(new, old)
