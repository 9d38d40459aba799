"""The bench `query`: the newest price of each symbol, a symbol's day, and its year in daily candles.

Each side answers as Python rows, in its own process, on a file that the system has in its memory. The first answer is
not counted.
"""

import json
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.generated_prices import SYMBOLS
from benchmarks.query_sides import duckdb_on_sqlite, duckdb_table, obvious, ours
from benchmarks.report import OURS, judged
from benchmarks.rounds import Figures, run_rounds
from benchmarks.side_process import Job, Side, result, started
from benchmarks.stored_prices import fill_duckdb, fill_history, fill_obvious_table
from shared.cli.output import print_rows
from shared.errors import ProcessError

ROWS = 10_000_000
QUESTIONS = ("newest", "day", "year")
MOST_BYTES = 40
# Seconds. DuckDB reads all of the SQLite file for each answer.
_TIMEOUT = 900
# How many times faster ours must be, by side.
GOALS = {"obvious": 10, "duckdb": 1}

SIDES = {
    OURS: Side("the queries of the command line, the API and Python", 0, ours),
    "obvious": Side("SQL on a table with an id, the time as text, and an index on the symbol", 0, obvious),
    "duckdb": Side("DuckDB with its SQLite extension on our file", 0, duckdb_on_sqlite),
    "duckdb table": Side("DuckDB on its own copy of our tables, sorted", 0, duckdb_table),
}


@dataclass(frozen=True)
class QueryReport:
    """Milliseconds by side and question, and the bytes of our file per row."""

    rows: int
    bytes_per_row: float
    milliseconds: Mapping[str, Figures]

    def as_json(self) -> str:
        return json.dumps(
            {
                "bench": "query",
                "ours": self._by_question(self.milliseconds[OURS]),
                "peers": {name: self._by_question(self.milliseconds[name]) for name in self._peers()},
                "ratios": {name: self._by_question(self.ratios(name)) for name in self._peers()},
                "unit": "ms",
                "n": self.rows,
                "bytes_per_row": round(self.bytes_per_row, 2),
            }
        )

    def show(self) -> None:
        columns = ("question", "side", "ms", "ours is", "goal", "how")
        rows = [self._row(place, name) for place in range(len(QUESTIONS)) for name in self.milliseconds]
        print_rows(columns, rows, right=columns[2:5])
        goal = judged(f"≤ {MOST_BYTES}", met=self.bytes_per_row <= MOST_BYTES)
        print(f"{self.bytes_per_row:.1f} bytes a row on {self.rows:,} rows (goal {goal})")

    def ratios(self, name: str) -> Figures:
        return tuple(peer / own for peer, own in zip(self.milliseconds[name], self.milliseconds[OURS], strict=True))

    def _peers(self) -> list[str]:
        return [name for name in self.milliseconds if name != OURS]

    def _row(self, place: int, name: str) -> dict[str, str]:
        row = {
            "question": QUESTIONS[place],
            "side": name,
            "ms": f"{self.milliseconds[name][place]:,.3f}",
            "how": SIDES[name].how,
        }
        if name == OURS:
            return row
        ratio = self.ratios(name)[place]
        row["ours is"] = f"{ratio:,.1f}×"
        if name in GOALS:
            row["goal"] = judged(f"≥ {GOALS[name]}×", met=ratio >= GOALS[name])
        return row

    @staticmethod
    def _by_question(figures: Figures) -> dict[str, float]:
        return {name: round(figure, 4) for name, figure in zip(QUESTIONS, figures, strict=True)}


def measure(rows: int = ROWS) -> QueryReport:
    """Fill the databases with `rows` prices, and ask each side in turn. Raises ProcessError if the answers differ."""
    with tempfile.TemporaryDirectory(prefix="stockwire-bench-") as folder:
        history, plain, duck = (Path(folder) / name for name in ("history.db", "obvious.db", "duck.db"))
        stored = rows // len(SYMBOLS) * len(SYMBOLS)
        print(f"query: storing {stored:,} prices three times", file=sys.stderr, flush=True)
        fill_history(history, rows)
        fill_obvious_table(plain, rows)
        fill_duckdb(duck, history)
        databases = {OURS: history, "obvious": plain, "duckdb": history, "duckdb table": duck}
        answers: dict[str, list[list[float]]] = {}

        def once(name: str) -> Figures:
            with started(SIDES[name].work, Job("", "", rows, str(databases[name]))) as process:
                found = result(process, name, _TIMEOUT)
            answers[name] = [each[1:] for each in found]
            return tuple(each[0] for each in found)

        milliseconds = run_rounds("query", SIDES, once)
        if len({json.dumps(each) for each in answers.values()}) > 1:
            raise ProcessError(f"the sides answer differently, so the figures are not valid: {answers}")
        return QueryReport(stored, history.stat().st_size / stored, milliseconds)
