"""How often words find what they say."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

FIRST = 5
"""Recall and precision are measured on the first so many."""


def word_precision(
    search: Callable[[str, int], Sequence[str]], kinds: Mapping[str, tuple[str, str]], least: int
) -> dict[str, Any]:
    """Precision of the first answers for each colour and kind that ``least`` products have.

    Args:
        search: ids for a text, best first, so many.
        kinds: colour and kind by id; products of no colour are only wrong answers.
        least: products that a text must be true of.

    Returns:
        Means over the texts, of the first five answers or as many as there are right ones.
    """
    right, of_kind = [], []
    for (colour, kind), count in sorted(Counter(kinds.values()).items()):
        if not colour or count < least:
            continue
        most = min(FIRST, count)
        found = [kinds[item] for item in search(f"{colour} {kind}", most)]
        right.append(found.count((colour, kind)) / most)
        of_kind.append(sum(named == kind for _, named in found) / most)
    return {
        "queries": len(right),
        "precision": round(float(np.mean(right)), 3) if right else None,
        "of the kind": round(float(np.mean(of_kind)), 3) if right else None,
    }
