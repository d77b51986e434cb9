"""Exports are read back by the tools they are for: pycocotools, ultralytics, plain JSON."""

from __future__ import annotations

import contextlib
import csv
import errno
import io
import json
import os
import subprocess
import sys
import textwrap
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image

from scenesearch.core.errors import ConfigError, NoSpaceError
from scenesearch.tagging.exports import FORMATS, parse_export, write_export
from scenesearch.tagging.rows import TaggedObject, TagRow

WIDTH, HEIGHT = 80, 60
FILES = ("coco", "label-studio")
FOLDERS = ("yolo", "yolo-seg")
OLD_PYCOCOTOOLS = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
"""pycocotools 2.0.11 decodes masks by numpy's older protocol."""


def rle(*boxes: tuple[int, int, int, int]) -> dict[str, Any]:
    """A mask of rectangles, as tagging writes it."""
    from pycocotools import mask

    pixels = np.zeros((HEIGHT, WIDTH), np.uint8, order="F")
    for x1, y1, x2, y2 in boxes:
        pixels[y1:y2, x1:x2] = 1
    made = mask.encode(pixels)
    return {"size": list(made["size"]), "counts": made["counts"].decode()}


def thing(
    label: str,
    box: tuple[float, float, float, float],
    confidence: float = 0.5,
    mask: dict[str, Any] | None = None,
    key: str = "object:0",
) -> TaggedObject:
    return TaggedObject(key, box, label, confidence, 0.1, "centre", (), (), "", mask)


def row(source: str, *objects: TaggedObject, **more: Any) -> TagRow:
    return TagRow(source, "00", WIDTH, HEIGHT, objects=objects, models="m1", **more)


def photo(folder: Path, name: str = "a.jpg") -> str:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((HEIGHT, WIDTH, 3), 90, np.uint8)).save(path)
    return str(path)


ROWS = [
    row(
        "s3://shop/one.jpg",
        thing("couch", (10, 20, 50, 40), 0.9, rle((10, 20, 50, 40))),
        thing("Zebra", (0, 0, 8, 6), 0.25),
    ),
    TagRow("s3://shop/broken.jpg", models="m1", error="not_an_image", message="no"),
    row("s3://shop/two.jpg", thing("bed", (60.5, 30.25, 80, 60), 0.4)),
    row("s3://shop/empty.jpg"),
]


def place(tmp_path: Path, kind: str) -> Path:
    return tmp_path / ("out.json" if kind in FILES else "out")


def content(path: Path) -> dict[str, bytes]:
    """Everything of an export by name."""
    if path.is_file():
        return {"": path.read_bytes()}
    return {str(p.relative_to(path)): p.read_bytes() for p in path.rglob("*") if p.is_file()}


def names(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


# COCO


def read_coco(path: Path) -> Any:
    from pycocotools.coco import COCO

    with contextlib.redirect_stdout(io.StringIO()):
        return COCO(str(path))


def test_pycocotools_reads_back_what_was_tagged(tmp_path: Path) -> None:
    coco = read_coco(write_export(f"coco:{tmp_path / 'x.json'}", ROWS))

    assert [image["file_name"] for image in coco.loadImgs([1, 2, 3])] == [
        "s3://shop/one.jpg",
        "s3://shop/two.jpg",
        "s3://shop/empty.jpg",
    ]
    assert {(image["width"], image["height"]) for image in coco.imgs.values()} == {(80, 60)}
    assert coco.cats == {
        1: {"id": 1, "name": "Zebra"},
        2: {"id": 2, "name": "bed"},
        3: {"id": 3, "name": "couch"},
    }
    couch, zebra, bed = coco.loadAnns([1, 2, 3])
    assert (couch["image_id"], couch["category_id"], couch["score"]) == (1, 3, 0.9)
    assert couch["bbox"] == [10, 20, 40, 20]
    assert couch["area"] == 800
    assert (zebra["area"], zebra["iscrowd"], "segmentation" in zebra) == (48, 0, False)
    assert (bed["image_id"], bed["bbox"]) == (2, [60.5, 30.25, 19.5, 29.75])


@OLD_PYCOCOTOOLS
def test_a_coco_mask_is_the_mask_that_was_tagged(tmp_path: Path) -> None:
    mask = rle((10, 20, 30, 40), (40, 20, 50, 30))
    rows = [row("a.jpg", thing("couch", (10, 20, 50, 40), mask=mask))]

    coco = read_coco(write_export(f"coco:{tmp_path / 'x.json'}", rows))

    pixels = coco.annToMask(coco.anns[1])
    assert pixels.shape == (HEIGHT, WIDTH)
    assert pixels.sum() == coco.anns[1]["area"] == 20 * 20 + 10 * 10
    assert pixels[25, 15] == pixels[25, 45] == 1
    assert pixels[25, 35] == 0


def test_an_export_scored_against_itself_is_perfect(tmp_path: Path) -> None:
    from pycocotools.cocoeval import COCOeval

    truth = read_coco(write_export(f"coco:{tmp_path / 'x.json'}", ROWS))
    with contextlib.redirect_stdout(io.StringIO()):
        found = truth.loadRes(list(truth.anns.values()))
        score = COCOeval(truth, found, "bbox")
        score.evaluate()
        score.accumulate()
        score.summarize()

    assert score.stats[0] == pytest.approx(1.0)


# YOLO


def lines(path: Path) -> list[list[float]]:
    return [[float(x) for x in line.split()] for line in path.read_text().splitlines()]


def test_yolo_boxes_are_centres_and_sides_as_shares(tmp_path: Path) -> None:
    folder = write_export(f"yolo:{tmp_path / 'x'}", ROWS)

    assert yaml.safe_load((folder / "data.yaml").read_text()) == {
        "train": "images",
        "val": "images",
        "names": {0: "Zebra", 1: "bed", 2: "couch"},
    }
    assert names(folder / "labels") == ["empty.txt", "one.txt", "two.txt"]
    assert lines(folder / "labels" / "one.txt") == [
        [2, 0.375, 0.5, 0.5, pytest.approx(1 / 3, abs=1e-6)],
        [0, 0.05, 0.05, 0.1, 0.1],
    ]
    assert lines(folder / "labels" / "empty.txt") == []
    with (folder / "sources.csv").open(newline="") as file:
        assert list(csv.reader(file))[:2] == [["name", "source"], ["one", "s3://shop/one.jpg"]]


def test_yolo_outlines_follow_the_mask_and_fall_back_to_the_corners(tmp_path: Path) -> None:
    import cv2

    rng = np.random.default_rng(3)
    blob = [tuple(int(v) for v in (x, y, x + 14, y + 14)) for x, y in rng.integers(20, 40, (4, 2))]
    mask = rle(*blob)
    rows = [row("a.jpg", thing("cat", (20, 20, 54, 54), mask=mask), thing("dog", (0, 0, 8, 6)))]

    folder = write_export(f"yolo-seg:{tmp_path / 'x'}", rows)

    cat, dog = lines(folder / "labels" / "a.txt")
    assert dog == [1, 0, 0, 0.1, 0, 0.1, 0.1, 0, 0.1]
    points = np.reshape(cat[1:], (-1, 2)) * (WIDTH, HEIGHT) - 0.5
    drawn = np.zeros((HEIGHT, WIDTH), np.uint8)
    cv2.fillPoly(drawn, [points.round().astype(np.int32)], 1)
    wanted = np.zeros((HEIGHT, WIDTH), np.uint8)
    for x1, y1, x2, y2 in blob:
        wanted[y1:y2, x1:x2] = 1
    assert (drawn & wanted).sum() / (drawn | wanted).sum() > 0.93


@pytest.mark.parametrize(
    "mask", [rle(), rle((5, 5, 6, 6)), rle((5, 5, 20, 6))], ids=["nothing", "one pixel", "a line"]
)
def test_a_mask_without_an_outline_becomes_the_corners_of_the_box(
    tmp_path: Path, mask: Any
) -> None:
    rows = [row("a.jpg", thing("cat", (0, 0, 40, 30), mask=mask))]

    folder = write_export(f"yolo-seg:{tmp_path / 'x'}", rows)

    assert lines(folder / "labels" / "a.txt") == [[0, 0, 0, 0.5, 0, 0.5, 0.5, 0, 0.5]]


@pytest.mark.process
@pytest.mark.parametrize("kind", FOLDERS)
def test_ultralytics_reads_the_folder_without_a_complaint(tmp_path: Path, kind: str) -> None:
    """In a process of its own: it changes settings and filters of the whole process."""
    photos = [photo(tmp_path, f"in/{name}") for name in ("a b.jpg", "é.png", "none.jpg")]
    mask = rle((10, 20, 50, 40))
    rows = [
        row(photos[0], thing("cat", (10, 20, 50, 40), mask=mask), thing("dog", (0, 0, 8, 6))),
        row(photos[1], thing("dog", (-3.0, 0, 90.0, 60))),
        row(photos[2]),
    ]
    folder = write_export(f"{kind}:{tmp_path / 'x'}", rows)
    program = """
        import json, sys
        from ultralytics.data import YOLODataset
        from ultralytics.data.utils import check_det_dataset
        data = check_det_dataset(sys.argv[1])
        task = "segment" if sys.argv[2] == "yolo-seg" else "detect"
        found = YOLODataset(img_path=data["train"], data=data, task=task, augment=False)
        print(json.dumps({
            "names": list(data["names"].values()),
            "labels": {
                one["im_file"].rsplit("/", 1)[1]: [
                    one["cls"][:, 0].tolist(), one["bboxes"].tolist(), len(one["segments"])
                ]
                for one in found.labels
            },
        }))
    """
    environment = os.environ | {
        "YOLO_CONFIG_DIR": str(tmp_path),
        "YOLO_OFFLINE": "true",
        "YOLO_AUTOINSTALL": "false",
    }
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program), str(folder / "data.yaml"), kind],
        capture_output=True,
        text=True,
        env=environment,
        timeout=120,
    )

    assert done.returncode == 0, done.stderr
    said = done.stdout + done.stderr
    assert "corrupt" not in said.replace("0 corrupt", "")
    assert "WARNING" not in said
    read = json.loads(done.stdout.splitlines()[-1])
    assert read["names"] == ["cat", "dog"]
    assert sorted(read["labels"]) == ["a b.jpg", "none.jpg", "é.png"]
    classes, boxes, segments = read["labels"]["a b.jpg"]
    assert sorted(classes) == [0, 1]
    # an outline runs through the centres of pixels, half a pixel inside the box
    slack = 1 / HEIGHT + 1e-6 if kind == "yolo-seg" else 1e-6
    assert boxes[classes.index(0)] == pytest.approx([0.375, 0.5, 0.5, 1 / 3], abs=slack)
    assert segments == (2 if kind == "yolo-seg" else 0)
    assert read["labels"]["é.png"][1] == [pytest.approx([0.5, 0.5, 1, 1])]
    # what reading it left behind does not hinder the next export
    write_export(f"{kind}:{folder}", rows)


def test_photos_of_one_name_get_labels_of_their_own(tmp_path: Path) -> None:
    sources = [
        photo(tmp_path, "in/1/a.jpg"),
        photo(tmp_path, "in/2/a.jpg"),
        photo(tmp_path, "in/2/a.png"),
        "s3://shop/2/a.jpg",
        "s3://shop/2/a.jpg",
    ]
    rows = [row(s, thing("cat", (0, 0, 8 * (i + 1), 60))) for i, s in enumerate(sources)]

    folder = write_export(f"yolo:{tmp_path / 'x'}", rows)

    with (folder / "sources.csv").open(newline="") as file:
        by_name = {r["name"]: r["source"] for r in csv.DictReader(file)}
    assert list(by_name.values()) == sources
    assert next(iter(by_name)) == "a"
    widths = [lines(folder / "labels" / f"{name}.txt")[0][3] for name in by_name]
    assert widths == [0.1, 0.2, 0.3, 0.4, 0.5]
    links = sorted((folder / "images").iterdir())
    assert sorted(str(link.resolve()) for link in links) == sorted(sources[:3])
    assert {link.stem for link in links} <= set(by_name)


@pytest.mark.parametrize(
    ("source", "stem"),
    [
        ("https://shop.example/a/b c.jpg?size=1", "b c"),
        (r"C:\photos\chair.jpg", "chair"),
        ("../../..", "photo"),
        ("-", "-"),
        ("in/.jpg", "jpg"),
        ("in/a.b.c.jpg", "a.b.c"),
        ("in/a:b*c\n.jpg", "a_b_c_"),
        ("in/" + "ü" * 300 + ".jpg", "ü" * 90),
    ],
    ids=lambda value: ascii(value[:24]),
)
def test_a_label_file_has_a_name_that_every_system_takes(
    tmp_path: Path, source: str, stem: str
) -> None:
    folder = write_export(f"yolo:{tmp_path / 'x'}", [row(source)])

    assert names(folder / "labels") == [f"{stem}.txt"]
    assert names(folder) == ["data.yaml", "images", "labels", "sources.csv"]


# Label Studio


def test_label_studio_tasks_have_boxes_in_percent(tmp_path: Path) -> None:
    tasks = json.loads(write_export(f"label-studio:{tmp_path / 'x.json'}", ROWS).read_text())

    assert [task["data"]["image"] for task in tasks] == [
        "s3://shop/one.jpg",
        "s3://shop/two.jpg",
        "s3://shop/empty.jpg",
    ]
    (prediction,) = tasks[0]["predictions"]
    assert prediction["score"] == 0.9
    couch, zebra = prediction["result"]
    assert couch["value"] == {
        "x": 12.5,
        "y": pytest.approx(33.3333),
        "width": 50,
        "height": pytest.approx(33.3334),
        "rotation": 0,
        "rectanglelabels": ["couch"],
    }
    assert (couch["original_width"], couch["original_height"], couch["score"]) == (80, 60, 0.9)
    assert zebra["value"]["rectanglelabels"] == ["Zebra"]
    assert tasks[2]["predictions"][0]["result"] == []


def test_other_models_are_another_model_version(tmp_path: Path) -> None:
    rows = [TagRow("a.jpg", "0", 8, 6, models=models) for models in ("m1", "m1", "m2")]

    tasks = json.loads(write_export(f"label-studio:{tmp_path / 'x.json'}", rows).read_text())

    first, again, other = (task["predictions"][0]["model_version"] for task in tasks)
    assert first == again
    assert first != other


def test_label_studio_opens_files_through_its_local_storage(tmp_path: Path) -> None:
    source = photo(tmp_path, "a b.jpg")

    tasks = json.loads(
        write_export(f"label-studio:{tmp_path / 'x.json'}", [row(source)]).read_text()
    )

    address = "/data/local-files/?d=" + source.lstrip("/").replace(" ", "%20")
    assert tasks[0]["data"] == {"image": address, "source": source}


# all of them


@pytest.mark.parametrize("kind", FORMATS)
def test_the_same_rows_give_the_same_bytes_over_and_over(tmp_path: Path, kind: str) -> None:
    path = place(tmp_path, kind)
    first = content(write_export(f"{kind}:{path}", ROWS))

    again = content(write_export(f"{kind}:{path}", iter(ROWS)))

    assert again == first
    assert names(tmp_path) == [path.name], "nothing is left beside it"


@pytest.mark.parametrize("kind", FORMATS)
def test_rows_that_went_through_json_give_the_same_export(tmp_path: Path, kind: str) -> None:
    thawed = [TagRow.from_dict(json.loads(json.dumps(one.to_dict()))) for one in ROWS]
    first = content(write_export(f"{kind}:{place(tmp_path, kind)}", thawed))

    again = [TagRow.from_dict(one.to_dict()) for one in thawed]

    assert content(write_export(f"{kind}:{place(tmp_path, kind)}", again)) == first


@pytest.mark.parametrize("kind", FORMATS)
def test_no_rows_make_an_empty_export(tmp_path: Path, kind: str) -> None:
    path = write_export(f"{kind}:{place(tmp_path, kind)}", [])

    if kind == "coco":
        assert read_coco(path).imgs == {}
    elif kind == "label-studio":
        assert json.loads(path.read_text()) == []
    else:
        assert names(path / "labels") == []


@pytest.mark.parametrize("kind", FORMATS)
def test_a_failure_half_way_leaves_the_old_export_and_nothing_else(
    tmp_path: Path, kind: str
) -> None:
    path = write_export(f"{kind}:{place(tmp_path, kind)}", ROWS)
    before = content(path)

    def failing() -> Iterator[TagRow]:
        yield from ROWS
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_export(f"{kind}:{path}", failing())

    assert content(path) == before
    assert names(tmp_path) == [path.name]


@pytest.mark.parametrize("kind", FORMATS)
def test_what_a_kill_left_is_gone_after_the_next_export(tmp_path: Path, kind: str) -> None:
    path = place(tmp_path, kind)
    half = tmp_path / f".{path.name}.0123456789ab.tmp"
    if kind in FILES:
        half.write_text("[")
    else:
        half.mkdir()
        (half / "labels").mkdir()
        half.with_suffix(".old").mkdir()
    neighbour = tmp_path / f".{path.name}.mine.tmp"
    neighbour.write_text("not ours")

    write_export(f"{kind}:{path}", ROWS)

    assert names(tmp_path) == sorted([path.name, neighbour.name])


@pytest.mark.parametrize("kind", FORMATS)
def test_a_full_disk_is_said_so(tmp_path: Path, kind: str) -> None:
    def full() -> Iterator[TagRow]:
        yield ROWS[0]
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(NoSpaceError, match="the disk is full"):
        write_export(f"{kind}:{place(tmp_path, kind)}", full())

    assert names(tmp_path) == []


@pytest.mark.parametrize("kind", FORMATS)
def test_an_error_of_the_rows_is_not_taken_for_one_of_the_export(tmp_path: Path, kind: str) -> None:
    def failing() -> Iterator[TagRow]:
        yield ROWS[0]
        raise PermissionError(errno.EACCES, "a photo")

    with pytest.raises(PermissionError, match="a photo"):
        write_export(f"{kind}:{place(tmp_path, kind)}", failing())


@pytest.mark.process
@pytest.mark.parametrize("kind", FORMATS)
def test_memory_does_not_grow_with_the_rows(tmp_path: Path, kind: str) -> None:
    def many(count: int) -> Iterator[TagRow]:
        for i in range(count):
            yield row(f"s3://shop/{i}.jpg", *(thing(f"label {j}", (0, 0, 8, 6)) for j in range(5)))

    def peak(count: int) -> int:
        tracemalloc.start()
        write_export(f"{kind}:{place(tmp_path, kind)}", many(count))
        highest = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return highest

    peak(10)

    assert peak(600) < peak(100) + 20_000


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("boxes.json", "unknown format 'boxes.json'; expected coco:PATH.json"),
        ("voc:x", "unknown format 'voc'"),
        ("COCO:x.json", "unknown format 'COCO'"),
        ("coco", "no path after the format"),
        ("coco:", "no path after the format"),
        ("yolo: ", "no path after the format"),
        ("coco:{tmp}/x.csv", "one JSON file, got 'x.csv'; expected coco:PATH.json"),
        ("label-studio:{tmp}/x", "expected label-studio:PATH.json"),
        ("coco:{tmp}/folder.json", "one JSON file, got a folder"),
        ("coco:{tmp}/none/x.json", "there is no folder .*none.* create it first"),
        ("yolo:{tmp}/none/x", "there is no folder"),
        ("yolo:{tmp}/file", "is a file; expected a folder"),
        ("yolo:{tmp}/full", "holds 'thesis.txt', which an export would remove"),
    ],
)
def test_a_spec_that_cannot_be_meant_is_refused_before_any_row(
    tmp_path: Path, spec: str, said: str
) -> None:
    (tmp_path / "folder.json").mkdir()
    (tmp_path / "file").touch()
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").touch()

    def never() -> Iterator[TagRow]:
        pytest.fail("a row was read")
        yield

    with pytest.raises(ConfigError, match=said):
        write_export(spec.format(tmp=tmp_path), never())


@pytest.mark.parametrize(
    "added",
    ["notes.txt", "images/only-copy.jpg", "data.yaml"],
    ids=["a file of the user", "a photo that is no link", "a data.yaml of the user"],
)
def test_an_export_that_someone_added_to_is_not_replaced(tmp_path: Path, added: str) -> None:
    folder = write_export(f"yolo:{tmp_path / 'x'}", ROWS)
    (folder / added).write_text("mine")

    with pytest.raises(ConfigError, match="which an export would remove"):
        parse_export(f"yolo:{folder}")
    assert (folder / added).read_text() == "mine"


def test_an_empty_folder_is_taken(tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()

    assert parse_export(f"yolo:{tmp_path / 'x'}") == ("yolo", tmp_path / "x")
    assert write_export(f"yolo:{tmp_path / 'x'}", ROWS) == tmp_path / "x"


# COCO as a data set


def test_a_coco_data_set_has_its_photos_beside_it_under_names(tmp_path: Path) -> None:
    from PIL import Image

    sources = [tmp_path / "one" / "a.png", tmp_path / "two" / "a.png", tmp_path / "two" / "b c.jpg"]
    for source in sources:
        source.parent.mkdir(exist_ok=True)
        Image.new("RGB", (80, 60)).save(source)
    (tmp_path / "set" / "annotations").mkdir(parents=True)
    path = tmp_path / "set" / "annotations" / "instances_all.json"
    rows = [TagRow(str(source), width=80, height=60) for source in sources]
    rows.append(TagRow("s3://shop/one.jpg", width=80, height=60))
    for _ in range(2):  # the links of the first run are those of the second
        write_export(f"coco:{path}", rows)
        images = json.loads(path.read_text())["images"]

    assert [image["source"] for image in images] == [*map(str, sources), "s3://shop/one.jpg"]
    assert images[0]["file_name"] == "a.png"
    assert images[3]["file_name"].startswith("one-")
    assert len({image["file_name"] for image in images}) == 4
    links = tmp_path / "set" / "images"
    assert len(names(links)) == 3
    for image, source in zip(images, sources, strict=False):
        assert (links / image["file_name"]).samefile(source)


def test_datumaro_opens_a_coco_data_set(tmp_path: Path) -> None:
    datumaro = pytest.importorskip("datumaro", reason="datumaro is not installed")
    (tmp_path / "annotations").mkdir()
    write_export(f"coco:{tmp_path / 'annotations' / 'instances_all.json'}", ROWS)
    found = datumaro.Dataset.import_from(str(tmp_path), "coco")

    assert sorted(item.id.partition("-")[0] for item in found) == ["empty", "one", "two"]
    assert sum(len(item.annotations) for item in found) >= 3
