"""Run the sides in turn over several rounds, so that other work on the machine slows all of them alike."""

import os
import sys
from collections.abc import Callable, Iterable
from statistics import median

ROUNDS = 3

# Load per core above which other programs disturb the bench.
BUSY = 0.25

Figures = tuple[float, ...]


def run_rounds(bench: str, sides: Iterable[str], once: Callable[[str], Figures]) -> dict[str, Figures]:
    """Call `once` for each side in each round, and return the median of each figure by side."""
    _warn_if_busy(bench)
    names = list(sides)
    found: dict[str, list[Figures]] = {name: [] for name in names}
    for number in range(1, ROUNDS + 1):
        for name in names:
            print(f"{bench}: round {number} of {ROUNDS}: {name} … ", end="", file=sys.stderr, flush=True)
            found[name].append(once(name))
            print(*(f"{figure:,.5g}" for figure in found[name][-1]), file=sys.stderr)
    return {name: tuple(map(median, zip(*figures, strict=True))) for name, figures in found.items()}


def _warn_if_busy(bench: str) -> None:
    load = os.getloadavg()[0]
    if load > BUSY * (os.cpu_count() or 1):
        print(f"{bench}: this machine is busy (load {load:.1f}); repeat the bench when it is idle", file=sys.stderr)
