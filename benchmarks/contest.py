"""The sides in turn, over several rounds: a machine that is busy with something else meets all of them."""

import os
import sys
from collections.abc import Callable, Iterable
from statistics import median

ROUNDS = 3

# Processes that run or want to, for each core; more than this before we start anything is somebody else's work.
BUSY = 0.25

Figures = tuple[float, ...]


def contest(bench: str, sides: Iterable[str], once: Callable[[str], Figures]) -> dict[str, Figures]:
    """Call `once` for each side, once a round; the medians of what it gave for each, figure by figure."""
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
        print(f"{bench}: this machine is busy (load {load:.1f}): repeat it when it is quiet", file=sys.stderr)
