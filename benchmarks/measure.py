"""Timing that survives a noisy machine: sides take turns, medians, ratios within a round."""

from __future__ import annotations

import argparse
import datetime
import gc
import json
import os
import platform
import statistics
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from typing import Any

Side = Callable[[], object]


def parser(about: str | None) -> argparse.ArgumentParser:
    """Arguments that every benchmark has."""
    made = argparse.ArgumentParser(
        description=(about or "").strip().splitlines()[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    made.add_argument("--json", action="store_true", help="print JSON instead of a table")
    made.add_argument("--seed", type=int, default=0)
    return made


def seconds(side: Side) -> float:
    """Wall clock of one call."""
    start = time.perf_counter()
    side()
    return time.perf_counter() - start


def in_turns(sides: Mapping[str, Side], *, repeats: int, warmup: int = 1) -> dict[str, list[float]]:
    """Seconds of each side by round; every round runs all of them, each time another one first.

    What slows the machine down for a while then slows all sides, and ratios within a round hold.
    """
    for _ in range(warmup):
        for side in sides.values():
            side()
    times: dict[str, list[float]] = {name: [] for name in sides}
    names = list(sides)
    for turn in range(repeats):
        gc.collect()
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            times[name].append(seconds(sides[name]))
    return times


def ratio(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """Median over the rounds of ours / theirs."""
    return statistics.median(a / b for a, b in zip(ours, theirs, strict=True))


def percentile(values: Iterable[float], share: float) -> float:
    """Nearest-rank percentile, ``share`` of 0 to 1."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


@dataclass(frozen=True)
class Row:
    """One figure, and what it should be."""

    name: str
    value: float
    unit: str = ""
    goal: str = ""
    ok: bool | None = None


@dataclass
class Report:
    """Figures of one benchmark."""

    title: str
    rows: list[Row] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)

    def add(self, name: str, value: float, unit: str = "", *, at_most: float | None = None) -> None:
        """A figure; ``at_most`` is its goal."""
        if at_most is None:
            self.rows.append(Row(name, value, unit))
        else:
            self.rows.append(Row(name, value, unit, f"≤ {at_most:g}", value <= at_most))

    def add_least(self, name: str, value: float, unit: str = "", *, at_least: float) -> None:
        """A figure that should not be smaller than its goal."""
        self.rows.append(Row(name, value, unit, f"≥ {at_least:g}", value >= at_least))

    def print(self, *, as_json: bool) -> None:
        """The figures, and the machine they are from."""
        facts = {**machine(), **self.facts}
        if as_json:
            rows = [asdict(row) for row in self.rows]
            print(json.dumps({"title": self.title, "facts": facts, "rows": rows}, indent=1))
            return
        print(self.title)
        print(", ".join(f"{key} {value}" for key, value in facts.items()))
        width = max(len(row.name) for row in self.rows)
        for row in self.rows:
            verdict = "" if row.ok is None else "   met" if row.ok else "   MISSED"
            goal = f"   goal {row.goal}" if row.goal else ""
            print(f"  {row.name:<{width}}  {row.value:>10.4g} {row.unit:<6}{goal}{verdict}")


def machine() -> dict[str, Any]:
    """What the figures hang on."""
    return {
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "cores": os.cpu_count(),
        "load": round(os.getloadavg()[0], 1),
        "python": platform.python_version(),
        **{name: version(name) for name in ("numpy", "onnxruntime", "qdrant-edge-py")},
    }
