"""The pure parts of what makes the starter weights: labels, rules, captions, figures."""

from __future__ import annotations

import csv
import json
import random
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from scenesearch.evaluation.evaluate import read_truths
from scenesearch.images import load_scene

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tools.render.broad import Rule, read_rules  # noqa: E402
from tools.starter import (  # noqa: E402
    captions,
    catalogue,
    dataset,
    image_text,
    measure,
    measure_image_text,
    pictures,
    precision,
    tower,
)
from tools.starter.classes import NAMES, ORIGINS  # noqa: E402

FEATURES = 320


def runs(mask: np.ndarray) -> dict[str, object]:
    flat = mask.ravel(order="F")
    bounds = np.concatenate([[0], np.flatnonzero(np.diff(flat)) + 1, [flat.size]])
    counts = np.diff(bounds).tolist()
    return {"size": list(mask.shape), "counts": [0, *counts] if flat[0] else counts}


def blob(*boxes: tuple[int, int, int, int], size: tuple[int, int] = (60, 80)) -> np.ndarray:
    mask = np.zeros(size, np.bool_)
    for x1, y1, x2, y2 in boxes:
        mask[y1:y2, x1:x2] = True
    return mask


@pytest.mark.parametrize(
    "mask",
    [blob((0, 0, 5, 5)), blob((10, 20, 40, 50), (60, 10, 70, 30)), blob((79, 59, 80, 60))],
    ids=["at the first pixel", "in two parts", "at the last pixel"],
)
def test_run_lengths_come_back_as_the_mask_they_were(mask: np.ndarray) -> None:
    assert (dataset.pixels(runs(mask)) == mask).all()


@pytest.mark.models
def test_the_outline_of_a_thing_in_two_parts_spans_both() -> None:
    points = dataset.outline(blob((5, 20, 25, 50), (60, 10, 75, 30)))
    assert points is not None
    assert points.min(axis=0) == pytest.approx((5.5, 10.5))
    assert points.max(axis=0) == pytest.approx((74.5, 49.5))


@pytest.mark.models
def test_a_thing_of_a_pixel_has_no_outline() -> None:
    assert dataset.outline(blob((5, 5, 6, 6))) is None


def view(folder: Path, name: str, kind: str = "chair") -> None:
    (folder / "images").mkdir(parents=True, exist_ok=True)
    (folder / "truth").mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (80, 60), "grey").save(folder / "images" / f"{name}-0.jpg")
    mask = blob((10, 10, 50, 40))
    thing = {"kind": kind, "item": "p", "box": [10, 10, 50, 40], "area": int(mask.sum())}
    thing["segmentation"] = runs(mask)
    written = {"views": [{"image": f"images/{name}-0.jpg", "objects": [thing]}]}
    (folder / "truth" / f"{name}.json").write_text(json.dumps(written), encoding="utf-8")


@pytest.mark.models
def test_a_data_set_is_written_with_shares_of_the_picture_and_grows_when_views_do(
    tmp_path: Path,
) -> None:
    view(tmp_path / "views", "00001", "lamp")
    assert dataset.write(tmp_path / "views", tmp_path / "set", val_share=0.0)["train"] == 1
    (label,) = (tmp_path / "set" / "labels" / "train").glob("*.txt")
    number, *shares = label.read_text(encoding="utf-8").split()
    assert NAMES[int(number)] == "lamp"
    assert all(0 <= float(share) <= 1 for share in shares)
    view(tmp_path / "views", "00002")
    assert dataset.write(tmp_path / "views", tmp_path / "set", val_share=0.0)["train"] == 2
    assert len(list((tmp_path / "set" / "images" / "train").iterdir())) == 2


def test_every_kind_that_rooms_hold_is_a_class_of_the_detector() -> None:
    kinds = {rule.kind for rule in read_rules()} - {""}
    assert kinds | {"rug", "picture"} == set(NAMES)
    assert set(measure._KINDS.values()) <= set(NAMES)
    assert {name for names in measure.FURNITURE.values() for name in names} <= set(ORIGINS)


def entry(name: str, section: str, size: tuple[int, int, int], up: int = 0) -> dict[str, str]:
    width, depth, height = map(str, size)
    return {"name": name, "category": section, "width": width, "depth": depth, "height": height,
            "elevation": str(up)}  # fmt: skip


@pytest.mark.parametrize(
    ("given", "kind", "role"),
    [
        (entry("Armchair", "Living room", (80, 80, 80)), "chair", "armchair"),
        (entry("Sofa", "Living room", (190, 80, 80)), "couch", "sofa"),
        (entry("Corner sofa", "Living room", (250, 190, 80)), "couch", "corner_sofa"),
        (entry("Bedside table", "Bedroom", (48, 48, 45)), "cabinet", "bedside"),
        (entry("Coffee table", "Living room", (120, 70, 45)), "table", "coffee_table"),
        (entry("Lamp", "Lights", (50, 50, 60), 190), "lamp", "hanging"),
        (entry("Lamp", "Lights", (30, 30, 41)), "lamp", "table_lamp"),
        (entry("Wheelchair", "Miscellaneous", (64, 77, 91)), "", ""),
    ],
    ids=lambda value: value.get("name", "") if isinstance(value, dict) else value or "nothing",
)
def test_the_first_rule_that_fits_says_what_a_model_is(
    given: dict[str, str], kind: str, role: str
) -> None:
    rule: Rule = next(rule for rule in read_rules() if rule.fits(given))
    assert (rule.kind, rule.role) == (kind, role)


SOFA = {"kind": "couch", "title": "Burlap sofa", "role": "corner_sofa"}
CHAIR = {"kind": "chair", "title": "Chair", "role": "armchair"}


def test_captions_name_what_the_product_is_and_only_its_colour() -> None:
    draw = random.Random(0)
    made = [captions.caption(SOFA, "red", draw) for _ in range(200)]
    assert {one.name for one in made} == {"couch", "sofa", "corner sofa", "burlap sofa"}
    assert {one.colour for one in made} == {"red", ""}
    assert all(one.name in one.text and one.colour in one.text for one in made)
    assert not any(c in one.text for one in made for c in ("blue", "green"))


def test_a_caption_is_true_of_every_product_of_its_name_and_colour() -> None:
    said = [
        captions.Caption("a red sofa", "sofa", "red"),
        captions.Caption("sofa for the home", "sofa", ""),
        captions.Caption("chair, red", "chair", "red"),
    ]
    assert captions.fits([SOFA, SOFA, CHAIR], ["red", "blue", "red"], said).tolist() == [
        [True, True, False],
        [False, True, False],
        [False, False, True],
    ]


def test_wrong_colours_are_said_of_the_same_name() -> None:
    said = [captions.Caption("a red sofa", "sofa", "red")]
    made = captions.others(said, ["blue", "green", "red"], 2, random.Random(0))
    assert len({one.colour for one in made}) == 2
    assert len(captions.others(said, ["blue", "green"], 4, random.Random(0))) == 2
    assert {one.text for one in made} == {f"{one.colour} sofa" for one in made}


def test_every_word_of_a_caption_is_among_the_words() -> None:
    known = " ".join(captions.every_word([SOFA], {"p": "red"})).split()
    draw = random.Random(0)
    for _ in range(100):
        text = captions.caption(SOFA, "red", draw).text.replace(",", " ,")
        assert set(text.split()) <= set(known)


@pytest.mark.models
def test_the_replaced_layer_passes_on_each_channel_of_the_last_stage() -> None:
    import timm
    import torch

    torch.manual_seed(0)
    trunk = timm.create_model("tf_efficientnet_lite0", pretrained=False).eval()
    with torch.no_grad():  # as weights are drawn, hardly anything gets through
        for part in trunk.blocks[-1].modules():
            if isinstance(part, torch.nn.Conv2d):
                part.weight.mul_(3)
    maps = np.random.default_rng(0).normal(0, 2, (20, 192, 7, 7)).astype(np.float32)
    scale, levels = tower.keep_blocks(trunk, maps)
    with torch.inference_mode():
        last = tower.last_stage(trunk, maps)
        through = trunk.bn2(trunk.conv_head(last))
        quick = tower.units(last, torch.from_numpy(scale), torch.from_numpy(levels)).numpy()
    assert quick == pytest.approx(0.5 * (through.mean((2, 3)) + through.amax((2, 3))), abs=1e-3)
    kept = last.clamp(min=0).numpy()
    assert quick[:, :320] / scale == pytest.approx(
        0.5 * (kept.mean((2, 3)) + kept.max((2, 3))), abs=1e-2
    )
    assert (quick[:, 320:] <= np.tile(quick[:, :320], 3) + 1e-4).all()  # above a quantile is less
    pooled = tower.generalised_mean(trunk, maps)
    assert np.linalg.norm(pooled, axis=1) == pytest.approx(np.ones(20))


@pytest.mark.e2e
def test_the_first_layer_gives_the_vectors_that_distillation_aims_at() -> None:
    teacher = np.abs(np.random.default_rng(0).normal(size=(600, 320))).astype(np.float32)
    teacher /= np.linalg.norm(teacher, axis=1, keepdims=True)
    scale = np.linspace(0.5, 2.0, 320, dtype=np.float32)
    first, aims = image_text.beginning(teacher, scale, 0.5)
    given = np.concatenate([teacher * scale, np.zeros((600, 960), np.float32)], axis=1) @ first.T
    assert given / np.linalg.norm(given, axis=1, keepdims=True) == pytest.approx(aims, abs=1e-4)


@pytest.mark.models
@pytest.mark.e2e
def test_training_moves_what_it_is_asked_to_and_the_average_goes_back() -> None:
    import timm
    import torch

    torch.manual_seed(0)
    trunk = timm.create_model("tf_efficientnet_lite0", pretrained=False).eval()
    products = {
        f"{model}-{colour}": {"kind": "chair", "title": f"Chair {model}", "model": model}
        for model in "ab"
        for colour in ("red", "blue", "green")
    }
    colours = {item: item[2:] for item in products}
    items = [item for item in products for _ in range(50)]  # more than the last layer is wide
    maps = np.random.default_rng(0).normal(0, 2, (len(items), 192, 7, 7)).astype(np.float16)

    def trained(**changes: float) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
        recipe = image_text.Recipe(steps=2, batch=24, per_item=2, **changes)
        start, model, _ = image_text.train(trunk, maps, items, products, colours, recipe)
        held = image_text.assemble(model, start, recipe.keep)
        return start, {n.removeprefix("visual."): v for n, v in held.items() if "visual" in n}

    def moved(start: dict[str, torch.Tensor], end: dict[str, torch.Tensor]) -> set[str]:
        return {
            "stage" if "trunk.blocks.6" in name else "layer" if "head" in name else "below"
            for name, value in start.items()
            if value.is_floating_point() and not torch.equal(value.half(), end[name])
        }

    assert moved(*trained(keep=0.0)) == {"stage", "layer"}
    assert moved(*trained(keep=0.0, stage_rate=0.0)) == {"layer"}
    assert moved(*trained(keep=1.0)) == set()


def test_a_product_is_as_near_as_its_nearest_picture() -> None:
    best, names = measure_image_text.best_by_item(
        np.array([[0.1, 0.9, 0.3]], np.float32), ["a", "a", "b"]
    )
    assert names == ["a", "b"]
    assert best.tolist() == [[pytest.approx(0.9), pytest.approx(0.3)]]


def test_a_thing_is_found_by_its_cutout_and_its_surroundings_together() -> None:
    shots = {"maps": np.eye(3, dtype=np.float32), "items": np.array(["a", "b", "c"])}
    # the cutout says a, what is around it b, and more strongly: 0.7 * 0.5 < 0.3 * 1.0 + 0.7 * 0.4
    seen = np.array([[0.5, 0.4, 0.0], [0.0, 1.0, 0.0]], np.float32)
    rooms = {"maps": seen, "forms": np.array(["cut", "context"]), "items": np.array(["b", "b"])}
    found = measure_image_text.room_recall(lambda maps: maps, rooms, shots)
    assert found == {"things": 1, "products": 3, "recall@1": 1.0, "recall@5": 1.0}
    strange = {**rooms, "items": np.array(["x", "x"])}
    assert measure_image_text.room_recall(lambda m: m, strange, shots)["recall@1"] is None


def test_words_are_measured_on_as_many_answers_as_there_are_right_ones() -> None:
    kinds = {"a": ("red", "chair"), "b": ("red", "chair"), "c": ("red", "lamp"),
             "d": ("blue", "lamp"), "e": ("", "lamp")}  # fmt: skip
    asked = {
        "red chair": (0.9, 0.1, 0.5, 0.0, 0.0),  # one of two
        "red lamp": (0.0, 0.0, 0.1, 0.9, 0.0),  # the lamp of another colour
        "blue lamp": (0.0, 0.0, 0.1, 0.9, 0.0),
    }
    search = measure_image_text.word_search(
        lambda maps: maps,
        lambda texts: np.array([asked[text] for text in texts], np.float32),
        {"maps": np.eye(5, dtype=np.float32), "items": np.array(list(kinds))},
    )

    found = precision.word_precision(search, kinds, 1)
    assert found["precision"] == pytest.approx((0.5 + 0 + 1) / 3, abs=1e-3)
    assert found["of the kind"] == pytest.approx((0.5 + 1 + 1) / 3, abs=1e-3)
    assert precision.word_precision(search, kinds, 2) == {
        "queries": 1, "precision": 0.5, "of the kind": 0.5,
    }  # fmt: skip


def test_shots_are_squares_on_white_and_on_other_grounds(tmp_path: Path) -> None:
    product = Image.new("RGBA", (90, 90), (0, 0, 0, 0))
    product.paste((200, 20, 30, 255), (20, 30, 70, 80))
    product.save(tmp_path / "p-left.png")
    made = list(pictures.shots(tmp_path, ["p"], grounds=2, seed=0))
    assert [one.form for one in made] == ["shot", "scene", "scene"]
    assert all(one.rgb.shape == (pictures.SIDE, pictures.SIDE, 3) for one in made)
    assert pictures.main_colour(made[0].rgb) == "red"
    again = list(pictures.shots(tmp_path, ["p"], grounds=2, seed=0))
    assert all((a.rgb == b.rgb).all() for a, b in zip(made, again, strict=True))


def test_a_crop_of_a_room_shows_its_thing_alone_and_with_what_surrounds_it(
    tmp_path: Path,
) -> None:
    view(tmp_path, "00001")
    cut, context = pictures.crops(tmp_path)
    assert (cut.item, cut.form, context.form) == ("p", "cut", "context")
    assert cut.rgb[0, 0].tolist() == [255, 255, 255]  # the box is wider than high


def test_cutouts_and_views_become_a_catalogue_and_rooms_of_its_products(tmp_path: Path) -> None:
    view(tmp_path / "views", "00001")
    view(tmp_path / "views", "00002")
    shown = Image.new("RGBA", (30, 40), (0, 0, 0, 0))
    shown.paste((200, 20, 30, 255), (5, 5, 25, 35))
    for side in ("left", "front"):
        shown.save(tmp_path / f"p-{side}.png")
    Image.new("RGBA", (30, 40)).save(tmp_path / "empty-left.png")
    listed = [{"id": name, "title": name, "kind": "chair", "model": "m"} for name in ("p", "empty")]

    sold = catalogue.write_products(tmp_path, listed, {"p": "red"}, tmp_path / "set")
    things = catalogue.write_scenes(tmp_path / "views", sold, tmp_path / "set")

    assert (sold, things) == ({"p"}, 2)
    with (tmp_path / "set" / "catalog.csv").open(encoding="utf-8", newline="") as file:
        (row,) = csv.DictReader(file)
    assert (row["id"], row["category"], row["colour"]) == ("p", "chair", "red")
    photos = [tmp_path / "set" / name for name in row["image"].split("|")]
    assert [photo.stem for photo in photos] == ["p-front", "p-left"]
    assert all(load_scene(photo).size == (20, 30) for photo in photos)
    (truth, _) = read_truths(tmp_path / "set" / "scenes.jsonl")
    assert (truth.items, truth.boxes) == (frozenset({"p"}), ((10, 10, 50, 40),))


class _Boxes:
    """An ultralytics result of stated boxes."""

    def __init__(self, found: list[tuple[tuple[int, ...], float, int]]) -> None:
        import torch

        self.xyxy = torch.tensor([list(box) for box, _, _ in found], dtype=torch.float32)
        self.conf = torch.tensor([conf for _, conf, _ in found])
        self.cls = torch.tensor([float(kind) for _, _, kind in found])


class _Model:
    def __init__(self) -> None:
        self.names = dict(enumerate(NAMES))

    def predict(self, *_: object, **__: object) -> list[object]:
        chair, table = NAMES.index("chair"), NAMES.index("table")
        found = [((10, 10, 50, 40), 0.2, chair), ((52, 10, 78, 40), 0.12, table)]
        return [type("Result", (), {"boxes": _Boxes(found)})()]


@pytest.mark.models
def test_the_share_of_real_furniture_counts_boxes_by_overlap_confidence_and_class(
    tmp_path: Path,
) -> None:
    labels = tmp_path / "object_detection" / "labels"
    labels.mkdir(parents=True)
    (tmp_path / "images").mkdir()
    Image.new("RGB", (80, 60)).save(tmp_path / "images" / "a.jpg")
    chair = "56 0.375 0.4167 0.5 0.5"
    couch_called_table = "57 0.8125 0.4167 0.325 0.5"
    person = "0 0.5 0.5 1 1"
    (labels / "a.txt").write_text(f"{chair}\n{couch_called_table}\n{person}\n", encoding="utf-8")
    figures = measure.found_share(_Model(), tmp_path, side=64, confidences=(0.1, 0.15))
    assert figures["confidence 0.1"]["boxes"] == 2
    assert figures["confidence 0.1"]["found"] == 1.0
    assert figures["confidence 0.1"]["found as their class"] == 0.5
    assert figures["confidence 0.15"]["found"] == 0.5


@pytest.mark.e2e
def test_the_transferred_model_finds_what_the_fused_detector_finds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    monkeypatch.setenv("YOLO_CONFIG_DIR", str(tmp_path))
    monkeypatch.setenv("YOLO_OFFLINE", "true")
    from ultralytics.nn.tasks import DetectionModel, yaml_model_load

    from tools.starter.average import averaged, mean
    from tools.starter.transfer import start

    torch.manual_seed(0)
    described = {**yaml_model_load("yolo26n.yaml"), "end2end": False}
    detector = DetectionModel(described, nc=80, verbose=False)
    for module in detector.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            # norms that have seen something, so that unfolding them can go wrong
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 1.5)
    known = [name for name in dict.fromkeys(ORIGINS.values()) if name]
    names = known + [f"other {i}" for i in range(80 - len(known))]
    detector.names = dict(enumerate(names))
    detector = detector.eval().fuse(verbose=False)
    torch.save({"model": detector, "train_args": {"task": "detect"}}, tmp_path / "d.pt")
    model = start(tmp_path / "d.pt").eval()
    picture = torch.rand(1, 3, 64, 96)
    with torch.inference_mode():
        mine, theirs = model(picture)[0][0], detector(picture)[0]
    assert torch.allclose(mine[:, :4], theirs[:, :4], atol=1e-2)
    for row, origin in enumerate(ORIGINS.values()):
        if origin is not None:
            assert torch.allclose(mine[:, 4 + row], theirs[:, 4 + names.index(origin)], atol=1e-4)
    tuned = start(tmp_path / "d.pt")
    with torch.no_grad():
        for weight in tuned.parameters():
            weight.add_(1.0)
    half = averaged(model, tuned, 0.5).state_dict()
    first = model.state_dict()
    weight = "model.0.conv.weight"
    assert torch.allclose(half[weight], first[weight] + 0.5)
    assert torch.allclose(mean([model, tuned]).state_dict()[weight], first[weight] + 0.5)
    masks = "model.23.proto.cv1.conv.weight"
    assert torch.allclose(half[masks], tuned.state_dict()[masks])


def test_the_profile_offline_has_words_and_needs_nothing_but_the_package(tmp_path: Path) -> None:
    from scenesearch.config.settings import load_settings
    from scenesearch.wiring import Parts

    parts = Parts(load_settings("offline", cache_dir=tmp_path, models_dir=None))
    embedder = parts.encoder.embedder
    assert embedder.dim == image_text.DIM + FEATURES
    assert embedder.profile_dim == 1000
    assert embedder.has_text
    assert "home-lite0@" in embedder.fingerprint
    # a text has nothing to say of the features
    assert not embedder.embed_texts(["a red sofa"])[:, image_text.DIM :].any()
