"""What of a photo is counted."""

from __future__ import annotations

from dataclasses import replace

from scenesearch.core.types import Colour
from scenesearch.scenes.points import COUNTED, counts_of, photo_payload
from scenesearch.tagging.rows import Tag, TaggedObject, TagRow

RED = Colour("red", (50.0, 60.0, 40.0), 1.0)


def thing(number: int, confidence: float) -> TaggedObject:
    return TaggedObject(
        key=f"object:{number}",
        box=(0, 0, 10, 10),
        label="armchair",
        confidence=confidence,
        area_share=0.1,
        position="centre",
        colours=(RED,),
        tags=(Tag("chair", confidence, "label"),),
        phash="0" * 16,
    )


def test_a_doubtful_object_is_found_and_not_counted():
    certain, doubtful = COUNTED, COUNTED - 0.01
    row = TagRow(
        source="a.jpg",
        sha256="0" * 64,
        width=10,
        height=10,
        phash="0" * 16,
        kind=None,
        kind_score=0.0,
        tags=(),
        colours=(),
        text=(),
        objects=tuple(thing(i, c) for i, c in enumerate([certain, 0.9, doubtful, doubtful])),
        warnings=(),
        models="",
    )

    said = photo_payload(row)
    alone = photo_payload(replace(row, objects=(thing(0, doubtful),)))

    assert counts_of(said["label_counts"]) == {"chair": 2}
    assert counts_of(said["object_colours"]) == {"red chair": 2}
    assert said["labels"] == alone["labels"] == ["chair"]
    assert alone["label_counts"] == []
