"""Whether a person would take a match for what the detector saw: sense@5 of a look.

Ground truth says which products stand in a room; most rooms hold products that nobody noted, so a
right answer can count as wrong, and a tap under a chair no worse than another chair. A table of
accepted values by label sees that: what a region called ``chair`` may be answered with.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import yaml

from scenesearch.core.errors import CatalogError

FIRST = 5
"""Matches of a region that are judged."""
SENSE, JUDGED = f"sense@{FIRST}", "judged"
"""Names of the figures."""

Accepted = Mapping[str, re.Pattern[str]]
"""By label in lower case, what finds an accepted value."""


def read_sense(path: Path) -> Accepted:
    """Read a table of accepted values.

    Args:
        path: YAML or JSON, ``label: pattern``; several labels of one pattern are parted by commas,
            a pattern is a regular expression, found anywhere in the value, case ignored.

    Raises:
        CatalogError: the file cannot be read, or is no such table.
    """
    try:
        rows = yaml.safe_load(path.read_text(encoding="utf-8"))
        return {
            label.strip().lower(): re.compile(pattern, re.IGNORECASE)
            for labels, pattern in rows.items()
            for label in labels.split(",")
        }
    except (OSError, ValueError, yaml.YAMLError, re.error, AttributeError, TypeError) as error:
        raise CatalogError(
            f"{path}: no table of accepted values: {error}; expected label: pattern a line, such "
            f"as\n  couch, sofa: 'sofa|armchair'"
        ) from error


def sense(
    regions: Iterable[tuple[str | None, Sequence[str]]], accepted: Accepted
) -> dict[str, float]:
    """The mean over a photo's regions of the share of their first matches that are accepted.

    Args:
        regions: label of each, and the values of its matches, best first.
        accepted: the table; a region whose label is not in it, or without matches, is not judged.

    Returns:
        :data:`SENSE`, where anything was judged, and :data:`JUDGED`: how many regions were.

    >>> table = {"chair": re.compile("chair|stool")}
    >>> sense([("Chair", ["armchair", "tap"]), ("dog", ["bowl"])], table)
    {'judged': 1.0, 'sense@5': 0.5}
    """
    shares = []
    for label, values in regions:
        pattern = accepted.get((label or "").lower())
        if pattern is not None and values:
            first = [bool(pattern.search(value)) for value in values[:FIRST]]
            shares.append(sum(first) / len(first))
    judged = {JUDGED: float(len(shares))}
    return {**judged, SENSE: sum(shares) / len(shares)} if shares else judged
