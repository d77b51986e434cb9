"""What a catalogue has nothing for is refused, and what it has is not.

Boxes of some classes of a YOLO-labelled folder (cars, animals, food for a furniture shop) are
asked one by one; ``refused`` is the share with no match. ``kept`` is the share of right answers in
the first ten of rooms with known products that stay when refusals are on. Nothing is fitted here.
"""

from __future__ import annotations

import statistics
import sys
from pathlib import Path

from measure import Report, parser

from scenesearch import SceneSearch
from scenesearch.core.errors import SceneSearchError
from scenesearch.evaluation.evaluate import read_truths
from scenesearch.images import load_scene

REFUSED, KEPT = 0.9, 0.97
FIRST = 10
SMALL = 32.0
"""Pixels of the shorter side: smaller things nobody can tell."""


def main() -> int:
    made = parser(__doc__)
    made.add_argument("store")
    made.add_argument("images", type=Path, help="photos")
    made.add_argument(
        "labels", type=Path, help="folder of .txt: class, centre x and y, size, 0 to 1"
    )
    made.add_argument("--classes", type=int, nargs="+", required=True, help="that are strangers")
    made.add_argument("--truth", type=Path, help="rooms with known products, as eval takes them")
    made.add_argument("--config", default="offline")
    arguments = made.parse_args()
    report = Report("Strangers refused, right answers kept")
    report.facts["profile"] = arguments.config
    with SceneSearch(arguments.store, config=arguments.config) as shop:
        asked = [
            _is_refused(shop, image, box) for image, boxes in _labelled(arguments) for box in boxes
        ]
        report.facts["boxes"] = str(len(asked))
        report.add_least("refused", statistics.mean(asked), at_least=REFUSED)
        if arguments.truth is not None:
            with_refusals, without = _right(shop, arguments.truth)
            report.add_least("kept", with_refusals / without, at_least=KEPT)
    report.print(as_json=arguments.json)
    return 0


def _labelled(arguments: object) -> list[tuple[Path, list[tuple[float, ...]]]]:
    found = []
    wanted = set(arguments.classes)  # type: ignore[attr-defined]
    for image in sorted(arguments.images.iterdir()):  # type: ignore[attr-defined]
        labels = arguments.labels / f"{image.stem}.txt"  # type: ignore[attr-defined]
        if not labels.is_file():
            continue
        width, height = load_scene(image).size
        boxes = []
        for line in labels.read_text("utf-8").splitlines():
            kind, x, y, w, h = (float(part) for part in line.split()[:5])
            if int(kind) in wanted and min(w * width, h * height) >= SMALL:
                box = (x - w / 2) * width, (y - h / 2) * height
                boxes.append((*box, box[0] + w * width, box[1] + h * height))
        found.append((image, boxes))
    return found


def _is_refused(shop: SceneSearch, image: Path, box: tuple[float, ...]) -> bool:
    try:
        return not shop.shop_the_look(image, boxes=[box], limit=1, per_region=1).matches
    except SceneSearchError as error:
        return error.code == "empty_query"


def _right(shop: SceneSearch, path: Path) -> tuple[int, int]:
    """Right answers in the first ten, with refusals and without."""
    counts = [0, 0]
    for truth in read_truths(path):
        prepared = shop.prepare(truth.image)
        for i, changed in enumerate(({}, {"familiarity_min": 0.0})):
            look = shop.answer(prepared, limit=FIRST, **changed)
            counts[i] += sum(match.item_id in truth.items for match in look.matches)
    return counts[0], counts[1]


if __name__ == "__main__":
    sys.exit(main())
