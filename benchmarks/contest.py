"""The sides in turn, over several rounds: a machine that is busy with something else meets all of them."""

import sys
from collections.abc import Callable, Iterable
from statistics import median
from typing import TypeVar

ROUNDS = 3

Figure = TypeVar("Figure")


def rounds(bench: str, sides: Iterable[str], once: Callable[[str], Figure]) -> dict[str, list[Figure]]:
    """What `once` gives for each side, once a round."""
    names = list(sides)
    figures: dict[str, list[Figure]] = {name: [] for name in names}
    for number in range(1, ROUNDS + 1):
        for name in names:
            print(f"{bench}: round {number} of {ROUNDS}, {name} …", file=sys.stderr, flush=True)
            figures[name].append(once(name))
    return figures


def rates(bench: str, sides: Iterable[str], once: Callable[[str], float]) -> dict[str, float]:
    """The median of each side."""
    return {name: median(figures) for name, figures in rounds(bench, sides, once).items()}
