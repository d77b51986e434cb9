"""Sets of pictures as machine learning has them: Hugging Face Parquet, WebDataset, img2dataset.

The pictures are in the file. A row without an id has its number, or its key, for one.
"""

from __future__ import annotations

from collections.abc import Iterator

from scenesearch.catalog.feeds.layout import Layout, Reading, Sample
from scenesearch.catalog.feeds.row import FeedRow
from scenesearch.catalog.records import Packed, RawRow, RowError

_KEYS = ("id", "key", "__key__")
_TITLES = ("title", "name", "text", "caption", "txt")
_LABELS = ("category", "label", "labels", "class", "cls")


def _recognises(sample: Sample) -> bool:
    return any(_packed(cell) for row in sample.rows for cell in row.values())


def _packed(cell: object) -> bool:
    return isinstance(cell, Packed) or (
        isinstance(cell, list) and bool(cell) and isinstance(cell[0], Packed)
    )


def _take(row: FeedRow, names: list[str]) -> None:
    for name in names:
        if _packed(cell := row.look(name)):
            row.get("image", name)
            row.photos(cell)
    key = row.get("id", *_KEYS)
    row.put("id", key if key is not None else row.row)
    if "title" not in names:
        row.text("title", *_TITLES)
    if "category" not in names:
        label = row.get("category", *_LABELS)
        row.put("category", str(label) if label is not None else None)
    row.drop("status", "error_message", "exif", "sha256", "md5", "original_width")
    row.drop("original_height", "width", "height", "phash")


def _convert(reading: Reading) -> Iterator[RawRow | RowError]:
    for raw in reading.rows():
        if isinstance(raw, RowError):
            yield raw
            continue
        if str(raw.cells.get("status", "success")).startswith("failed"):
            reading.hidden += 1  # img2dataset lists what it could not fetch
            continue
        row = reading.row(raw.row, raw.cells)
        _take(row, list(raw.cells))
        yield row.done()


IMAGES = Layout(
    ("images", "huggingface", "webdataset", "img2dataset"),
    "a set of pictures (Hugging Face, WebDataset, img2dataset)",
    _recognises,
    _convert,
)
