"""The results of a bench, as one JSON object or as a table."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import ceil
from typing import Any

from benchmarks.side_process import Side
from shared.cli.output import print_rows

OURS = "ours"


@dataclass(frozen=True)
class Rates:
    """Events per second by side. `goals` are the wanted ratios of ours to a peer's."""

    bench: str
    sides: Mapping[str, Side]
    rates: Mapping[str, float]
    goals: Mapping[str, float] = field(default_factory=dict)

    def as_json(self) -> str:
        peers = without_ours(self.rates)
        ratios = {name: self._ratio(name) for name in peers}
        return to_json(self.bench, self.rates[OURS], peers, ratios, "events/s", self.sides[OURS].events)

    def show(self) -> None:
        columns = ("side", "events/s", "ours is", "goal", "events", "how")
        print_rows(columns, [self._row(name) for name in self.rates], right=columns[1:5])

    def _ratio(self, name: str) -> float:
        return self.rates[OURS] / self.rates[name]

    def _row(self, name: str) -> dict[str, str]:
        side = self.sides[name]
        row = {"side": name, "events/s": f"{self.rates[name]:,.0f}", "events": f"{side.events:,}", "how": side.how}
        if name != OURS:
            row["ours is"] = f"{self._ratio(name):,.2f}×"
        if name in self.goals:
            row["goal"] = judged(f"≥ {self.goals[name]:g}×", met=self._ratio(name) >= self.goals[name])
        return row


@dataclass(frozen=True)
class Latencies:
    """Milliseconds by side. `goals` are the limits of ours as (p50, p99)."""

    bench: str
    sides: Mapping[str, Side]
    p50: Mapping[str, float]
    p99: Mapping[str, float]
    goals: tuple[float, float]

    def as_json(self) -> str:
        peers = without_ours(self.p50)
        ratios = {name: self._ratio(name) for name in peers}
        tail = {OURS: self.p99[OURS], "peers": without_ours(self.p99)}
        return to_json(self.bench, self.p50[OURS], peers, ratios, "ms", self.sides[OURS].events, p99=tail)

    def show(self) -> None:
        columns = ("side", "p50 ms", "p99 ms", "ours is", "goal", "events", "how")
        print_rows(columns, [self._row(name) for name in self.p50], right=columns[1:6])

    def _ratio(self, name: str) -> float:
        return self.p50[name] / self.p50[OURS]

    def _row(self, name: str) -> dict[str, str]:
        side = self.sides[name]
        figures = {"p50 ms": f"{self.p50[name]:,.2f}", "p99 ms": f"{self.p99[name]:,.2f}"}
        row = {"side": name, **figures, "events": f"{side.events:,}", "how": side.how}
        if name != OURS:
            return row | {"ours is": f"{self._ratio(name):,.1f}×"}
        p50, p99 = self.goals
        met = self.p50[OURS] <= p50 and self.p99[OURS] <= p99
        return row | {"goal": judged(f"≤ {p50:g} and ≤ {p99:g}", met=met)}


Report = Rates | Latencies


def to_json(
    bench: str,
    ours: float,
    peers: Mapping[str, float],
    ratios: Mapping[str, float],
    unit: str,
    events: int,
    **more: Any,
) -> str:
    return json.dumps(
        {"bench": bench, "ours": ours, "peers": peers, "ratios": ratios, "unit": unit, "n": events, **more}
    )


def without_ours(figures: Mapping[str, float]) -> dict[str, float]:
    return {name: figure for name, figure in figures.items() if name != OURS}


def judged(goal: str, *, met: bool) -> str:
    return f"{goal} {'met' if met else 'missed'}"


def percentile(values: Sequence[float], share: float) -> float:
    """Return the smallest value that at least this share of the values does not exceed (nearest rank)."""
    ordered = sorted(values)
    return ordered[ceil(share * len(ordered)) - 1]
