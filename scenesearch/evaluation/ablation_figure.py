"""Changes of metrics with their intervals, as a figure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from scenesearch.evaluation.evaluate import Difference


def draw_changes(changes: Mapping[str, Sequence[Difference]], path: Path) -> None:
    """One panel a metric, one line a variant: gain and 95 % interval against the first.

    Raises:
        ValueError: matplotlib cannot write the suffix.
    """
    from matplotlib.figure import Figure

    names = [name for name, row in changes.items() if row][1:]
    metrics = list(dict.fromkeys(d.metric for row in changes.values() for d in row))
    figure = Figure(figsize=(3.2 * len(metrics) + 3, 0.28 * len(names) + 1.2), layout="constrained")
    axes = figure.subplots(1, len(metrics), sharey=True, squeeze=False)[0]
    for axis, metric in zip(axes, metrics, strict=True):
        axis.axvline(0, color="0.7", linewidth=1)
        for position, name in enumerate(names):
            found = next((d for d in changes[name] if d.metric == metric), None)
            if found is None:
                continue
            colour = "0.5" if not found.certain else "#0072b2" if found.gain > 0 else "#d55e00"
            axis.plot(found.interval, [position, position], color=colour, linewidth=1.5)
            axis.plot([found.gain], [position], "o", color=colour, markersize=4)
        axis.set_title(metric, fontsize=10)
        axis.tick_params(labelsize=8)
    axes[0].set_yticks(range(len(names)), names)
    axes[0].invert_yaxis()
    figure.savefig(path, dpi=150)
