"""Whether a match's verdict means the same with several models.

    python benchmarks/verdicts.py SCENES SENSE CONFIG=STORE [CONFIG=STORE ...]

Ground truth as for ``scenesearch eval``, a table of accepted categories as for its ``--sense``,
and a collection for each configuration. Of the first ten matches of each detected object with a
label in the table, by verdict: how many, the share whose category is accepted for the label, the
share that is known to be in the photo; and both by steps of the score.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from pathlib import Path

from scenesearch import SceneSearch
from scenesearch.config.settings import load_settings
from scenesearch.evaluation.evaluate import Truth, read_truths
from scenesearch.evaluation.sense import Accepted, read_sense

TOP = 10
STEPS = (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8)

Counts = dict[str, list[int]]
"""By verdict or step of the score: matches, accepted ones, right ones."""


def measured(
    config: str, store: str, truths: list[Truth], accepted: Accepted
) -> tuple[Counts, int]:
    """The counts of one configuration, and how many objects were judged."""
    counts: Counts = defaultdict(lambda: [0, 0, 0])
    objects = 0
    with SceneSearch(store, config=load_settings(config)) as shop:
        for truth in truths:
            look = shop.shop_the_look(truth.image, per_region=TOP, limit=1)
            for found in look.regions:
                pattern = accepted.get((found.region.label or "").lower())
                if pattern is None or found.region.kind != "object" or not found.matches:
                    continue
                objects += 1
                for match in found.matches:
                    kind = bool(pattern.search(str(match.attributes.get("category"))))
                    right = bool({match.item_id, *match.variants} & truth.items)
                    named = match.parts.get("meaning", 1.0) > 0
                    step = max((one for one in STEPS if one <= match.score), default=0.0)
                    for key in (match.verdict, f"{'named' if named else 'other'} {step:.1f}"):
                        row = counts[key]
                        row[0] += 1
                        row[1] += kind
                        row[2] += right
    return counts, objects


def main() -> None:
    """Print a table for each configuration."""
    scenes, sense, *pairs = sys.argv[1:]
    truths, accepted = read_truths(Path(scenes)), read_sense(Path(sense))
    for pair in pairs:
        config, _, store = pair.partition("=")
        counts, objects = measured(config, store, truths, accepted)
        print(f"\n{config}, {len(truths)} photos, {objects} objects\n")
        print("| verdict | matches | of the object's kind | known to be in the photo |")
        print("|---|---|---|---|")
        for key in sorted(counts):
            total, kind, right = counts[key]
            print(f"| {key} | {total} | {kind / total:.3f} | {right / total:.3f} |")


if __name__ == "__main__":
    main()
