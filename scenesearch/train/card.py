"""The model card and the profile of a training run: text only."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import yaml

LIBRARIES = ("scenesearch", "torch", "timm", "open_clip_torch", "pytorch-metric-learning")


def versions(libraries: Sequence[str] = LIBRARIES) -> dict[str, str]:
    """Of Python and of the libraries that are installed."""
    found = {"python": ".".join(map(str, sys.version_info[:3]))}
    for name in libraries:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def model_card(
    title: str,
    summary: Sequence[str],
    facts: Mapping[str, Mapping[str, Any]],
    rows: Sequence[Mapping[str, Any]],
    kept: int,
) -> str:
    """A model card in Markdown.

    Args:
        title: of the card.
        summary: sentences for people, figures that fell short among them.
        facts: tables by heading, name to value.
        rows: figures by epoch.
        kept: the epoch whose weights are kept.
    """
    parts = [f"# {title}", "", *summary]
    for heading, values in facts.items():
        parts += ["", f"## {heading}", "", "| | |", "|---|---|"]
        parts += [f"| {name} | {_cell(value)} |" for name, value in values.items()]
    names = list(dict.fromkeys(name for row in rows for name in row))
    parts += ["", "## Figures by epoch", ""]
    parts += ["| " + " | ".join(names) + " |", "|---" * len(names) + "|"]
    for row in rows:
        cells = [_cell(row.get(name, "")) for name in names]
        if row.get("epoch") == kept:
            cells = [f"**{cell}**" if cell else cell for cell in cells]
        parts.append("| " + " | ".join(cells) + " |")
    return "\n".join([*parts, ""])


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, Mapping):
        return ", ".join(f"{k} {_cell(v)}" for k, v in value.items())
    return str(value).replace("|", "\\|").replace("\n", " ")


def profile(settings: Mapping[str, Any], *comment: str) -> str:
    """A profile for ``--config``: comment lines, then settings."""
    head = "".join(f"# {line}\n" for line in comment)
    return head + yaml.safe_dump(dict(settings), sort_keys=False, allow_unicode=True)


def verdict(rows: Sequence[Mapping[str, Any]], best: int) -> str:
    """What training gave on what was held out, in one honest sentence."""
    if not rows or "recall@1" not in rows[0]:
        return "Nothing was held out, so how good the weights are was not measured."
    before, after = rows[0], rows[best]
    measured = (
        f"recall@1 {before['recall@1']:.3f} before, {after['recall@1']:.3f} after; "
        f"recall@5 {before['recall@5']:.3f} before, {after['recall@5']:.3f} after "
        f"({round(before['queries'])} held-out queries)"
    )
    if best == 0:
        return f"No epoch beat the starting weights, which are kept unchanged: {measured}."
    return f"The weights of epoch {best} are kept: {measured}."
