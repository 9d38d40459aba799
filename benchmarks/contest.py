"""The sides in turn, over several rounds: a machine that is busy with something else meets all of them."""

import sys
from collections.abc import Callable, Iterable
from statistics import median

ROUNDS = 3

Figures = tuple[float, ...]


def contest(bench: str, sides: Iterable[str], once: Callable[[str], Figures]) -> dict[str, Figures]:
    """Call `once` for each side, once a round; the medians of what it gave for each, figure by figure."""
    names = list(sides)
    found: dict[str, list[Figures]] = {name: [] for name in names}
    for number in range(1, ROUNDS + 1):
        for name in names:
            print(f"{bench}: round {number} of {ROUNDS}: {name} … ", end="", file=sys.stderr, flush=True)
            found[name].append(once(name))
            print(*(f"{figure:,.5g}" for figure in found[name][-1]), file=sys.stderr)
    return {name: tuple(map(median, zip(*figures, strict=True))) for name, figures in found.items()}
