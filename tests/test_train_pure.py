"""The parts of training that need no model: recipes, groups, splits, views, batches, recall."""

from __future__ import annotations

import json

import numpy as np
import pytest

from scenesearch.core.errors import CatalogError, ConfigError, ImageError
from scenesearch.core.types import Item
from scenesearch.images import load_scene
from scenesearch.models.cutout.cutter import CutRules
from scenesearch.train.groups import (
    Group,
    Photo,
    fingerprint,
    flatten,
    make_groups,
    read_crops,
    split,
)
from scenesearch.train.recall import leave_one_out, view_recall
from scenesearch.train.recipe import AugmentRules, Recipe, parse_freeze, parse_losses, rate_at
from scenesearch.train.samplers import photo_batches, product_batches
from scenesearch.train.subjects import Subject, Subjects
from scenesearch.train.views import Views, augment

pytestmark = pytest.mark.models

STILL = AugmentRules(0, 1.0, 0, 0, 0, 0, 0, 0)


def unit(*rows):
    vectors = np.array(rows, np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def save(image, path):
    from PIL import Image

    Image.fromarray(image).save(path)
    return str(path)


def red_square(side=80):
    image = np.full((side, side, 3), 255, np.uint8)
    image[side // 4 : 3 * side // 4, side // 4 : 3 * side // 4] = (200, 20, 20)
    return image


# recipes


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"losses": {"hinge": 1.0}}, "hinge: expected contrastive, triplet"),
        ({"losses": {}}, "loss none"),
        ({"losses": {"triplet": 0.0}}, "above 0, got 0"),
        ({"losses": {"triplet": float("nan")}}, "above 0, got nan"),
        ({"batch": 30}, "multiple"),
        ({"per_product": 1}, "at least 2 of each"),
        ({"epochs": 0}, "epochs is 0, expected at least 1"),
        ({"learning_rate": 0.0}, "between 0 and 1"),
        ({"holdout": 1.0}, "holdout is 1.0"),
        ({"keep": "first"}, "best or last"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_a_recipe_that_makes_no_sense_is_refused(change, says):
    with pytest.raises(ConfigError, match=says):
        Recipe(**change)


def test_augmentation_outside_its_range_is_refused():
    with pytest.raises(ConfigError, match="flip is a share of 0 to 1, got 2"):
        AugmentRules(flip=2)


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        ([], {"multi_similarity": 1.0}),
        (["triplet"], {"triplet": 1.0}),
        (["proxy-anchor=1", "triplet=0.5"], {"proxy_anchor": 1.0, "triplet": 0.5}),
    ],
    ids=["none is the default", "one", "hyphens and weights"],
)
def test_losses_are_read_with_their_weights(texts, expected):
    assert parse_losses(texts) == expected


@pytest.mark.parametrize("texts", [["triplet=much"], ["triplet", "triplet=2"]])
def test_losses_that_cannot_be_read_are_refused(texts):
    with pytest.raises(ConfigError, match="loss"):
        parse_losses(texts)


def test_freeze_is_a_number_of_stages_or_prefixes_but_not_both():
    assert parse_freeze([]) == 0
    assert parse_freeze(["3"]) == 3
    assert parse_freeze(["conv_stem", "blocks.0"]) == ("conv_stem", "blocks.0")
    with pytest.raises(ConfigError, match="one number of stages"):
        parse_freeze(["3", "blocks"])


def test_the_learning_rate_rises_and_then_falls_to_nothing():
    rates = [rate_at(step, 100, Recipe(warmup=0.1)) for step in range(101)]

    assert rates[0] == pytest.approx(0.1)
    assert rates[9] == rates[10] == 1.0
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert rates[100] == 0.0


# groups


ITEMS = [
    Item("a1", ("a1.jpg", "a1b.jpg"), {"model": "a", "colour": "red"}),
    Item("a2", ("a2.jpg",), {"model": "a", "colour": "blue"}),
    Item("b1", ("b1.jpg",), {"model": "b", "colour": "red"}),
    Item("c1", ("c1.jpg",), {}),
]


def test_photos_and_crops_of_an_item_are_a_group():
    crop = Photo("room.jpg", (0, 0, 9, 9))

    groups = make_groups(ITEMS, {"a2": [crop, crop], "unknown": [crop]})

    assert [group.key for group in groups] == ["a1", "a2", "b1", "c1"]
    assert groups[1].photos == (Photo("a2.jpg"), crop)


def test_a_field_joins_items_to_one_group_and_those_without_it_stay_alone():
    groups = make_groups(ITEMS, group_field="model")

    assert [(group.key, len(group.photos)) for group in groups] == [("a", 3), ("b", 1), ("c1", 1)]


def test_a_field_that_no_item_has_is_an_error_that_names_the_others():
    with pytest.raises(CatalogError, match=r"'size' to group by; the catalogue has: colour, model"):
        make_groups(ITEMS, group_field="size")


def test_the_photos_are_numbered_by_group():
    photos, labels = flatten(make_groups(ITEMS))

    assert labels == [0, 0, 1, 2, 3]
    assert photos[2].path == "a2.jpg"


def many(count, of_family=1):
    return [Group(f"g{n}", (Photo(f"{n}.jpg"),), f"f{n // of_family}") for n in range(count)]


def test_a_split_shares_nothing_loses_nothing_and_repeats():
    groups = many(50)

    parts = split(groups, 0.2, seed=3)

    assert len(parts.held_out) == 10
    assert {*parts.train, *parts.held_out} == set(groups)
    assert split(groups[::-1], 0.2, seed=3).held_out == parts.held_out[::-1]
    assert split(groups, 0.2, seed=4).held_out != parts.held_out


def test_a_family_is_held_out_whole_or_not_at_all():
    parts = split(many(60, of_family=3), 0.3, seed=0)

    assert {g.family for g in parts.train}.isdisjoint(g.family for g in parts.held_out)
    assert len(parts.held_out) == 18


def test_a_share_of_0_holds_out_nothing_and_one_family_cannot_be_split():
    assert split(many(3), 0.0, seed=0).held_out == ()
    with pytest.raises(CatalogError, match="nothing can be held out"):
        split(many(3, of_family=3), 0.2, seed=0)


def test_the_fingerprint_changes_with_what_is_trained_on_and_not_with_where_it_lies():
    moved = [Group(g.key, (Photo(f"/elsewhere/{g.photos[0].path}"),), g.family) for g in many(6)]
    same, other = split(many(6), 0.3, seed=0), split(many(6), 0.3, seed=1)

    assert fingerprint(same) == fingerprint(split(moved, 0.3, seed=0))
    assert fingerprint(same) != fingerprint(other)


def test_crops_are_read_from_ground_truth_and_boxes_without_items_passed_over(tmp_path):
    lines = [
        {"image": "r1.jpg", "boxes": [{"item": "a", "box": [1, 2, 3, 4]}, [0, 0, 5, 5]]},
        {"image": "r2.jpg", "items": ["a"]},
        {"image": "r3.jpg", "boxes": [{"item": 7, "box": [0, 0, 2, 2]}]},
    ]
    path = tmp_path / "scenes.jsonl"
    path.write_text("\n".join(map(json.dumps, lines)))

    crops = read_crops(path)

    assert crops["a"] == [Photo(str(tmp_path / "r1.jpg"), (1, 2, 3, 4))]
    assert crops["7"][0].path.endswith("r3.jpg")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('{"image": "a.jpg", "boxes": [{"item": "a", "box": [4, 4, 1, 1]}]}', "line 1.*empty"),
        ('{"boxes": []}', "line 1: expected"),
        ("[1]", "line 1: expected"),
        ("not json", "line 1: expected"),
        ('{"image": "a.jpg", "items": ["a"]}', "none of its boxes names an item"),
    ],
)
def test_crops_that_cannot_be_read_name_the_line(tmp_path, text, says):
    path = tmp_path / "scenes.jsonl"
    path.write_text(text)
    with pytest.raises(CatalogError, match=says):
        read_crops(path)


# subjects and views


def test_a_product_is_cut_out_as_an_index_does_and_a_box_is_a_plain_crop(tmp_path):
    path = save(red_square(), tmp_path / "p.png")
    subjects = Subjects(load_scene, CutRules(), 64)

    product, crop = subjects.get(Photo(path)), subjects.get(Photo(path, (0, 0, 40, 40)))

    assert product.image.shape == (40, 40, 3)
    assert product.mask is not None
    assert product.mask.all()
    assert crop.image.shape == (40, 40, 3)
    assert crop.mask is None


def test_photos_are_kept_small_and_only_while_there_is_room(tmp_path):
    paths = [save(red_square(400), tmp_path / f"{n}.png") for n in range(4)]
    read = []

    def load(path):
        read.append(path)
        return load_scene(path)

    subjects = Subjects(load, CutRules(), 16, max_bytes=2 * 4 * 32 * 32)
    for path in (*paths, paths[3], paths[2], paths[0]):
        assert max(subjects.get(Photo(path)).image.shape) == 32

    assert read == [*paths, paths[0]]


def subject(mask=True):
    image = red_square()[20:60, 20:60]
    return Subject(image, np.ones((40, 40), np.bool_) if mask else None)


def test_without_any_rule_a_view_is_the_picture_an_index_embeds():
    view = augment(subject(), np.random.default_rng(0), STILL, 40)

    assert np.array_equal(view, subject().image)


def test_another_background_surrounds_the_product_and_leaves_it_alone():
    rules = AugmentRules(1.0, 1.0, 0, 0, 0, 0, 0, 0)
    scenery = np.random.default_rng(9).integers(0, 256, (50, 50, 3), dtype=np.uint8)
    corners = set()
    for seed in range(20):
        view = augment(subject(), np.random.default_rng(seed), rules, 64, scenery)

        assert view.shape == (64, 64, 3)
        assert np.abs(view[32, 32].astype(int) - (200, 20, 20)).max() <= 3
        corners.add(tuple(view[view.shape[0] // 2, 1]))
    assert len(corners) > 10


def test_a_crop_of_a_room_keeps_its_background():
    rules = AugmentRules(1.0, 1.0, 0, 0, 0, 0, 0, 0)

    view = augment(subject(mask=False), np.random.default_rng(0), rules, 40)

    assert np.array_equal(view, subject().image)


def test_colours_move_a_little_and_never_to_another_colour():
    rules = AugmentRules()
    for seed in range(40):
        view = augment(subject(mask=False), np.random.default_rng(seed), rules, 32)
        middle = view[12:20, 12:20].reshape(-1, 3).mean(axis=0)

        assert middle[0] > 2 * middle[1:].max(), "still red"


def test_a_view_depends_on_its_key_alone(tmp_path):
    photos = [Photo(save(red_square(60 + 10 * n), tmp_path / f"{n}.png")) for n in range(3)]
    subjects = Subjects(load_scene, CutRules(), 32)
    one, other = (Views(subjects, photos, Recipe(), 32, workers=w) for w in (1, 4))
    batches = [[0, 1, 2], [2, 2]]

    first = list(one.batches(batches, 5))
    second = list(other.batches(batches, 5))
    later = list(one.batches(batches, 6))
    one.close()
    other.close()

    assert [part.shape for part in first] == [(3, 32, 32, 3), (2, 32, 32, 3)]
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))
    assert not np.array_equal(first[0], later[0])
    assert not np.array_equal(first[1][0], first[1][1]), "two views of one photo differ"


def test_a_photo_that_is_gone_says_so(tmp_path):
    views = Views(
        Subjects(load_scene, CutRules(), 32), [Photo(str(tmp_path / "x.png"))], Recipe(), 32
    )
    with pytest.raises(ImageError):
        list(views.batches([[0, 0]], 0))
    views.close()


# batches


pml = pytest.importorskip("pytorch_metric_learning", reason="needs scenesearch[train]")


def test_a_batch_has_m_photos_of_each_of_its_products():
    labels = [n // 5 for n in range(100)]

    batches = product_batches(labels, 4, 32, seed=0, epoch=0)

    assert len(batches) == 3
    for batch in batches:
        counts = np.unique([labels[i] for i in batch], return_counts=True)[1]
        assert counts.tolist() == [4] * 8


def test_a_product_with_few_photos_comes_twice_and_few_products_make_small_batches():
    batches = product_batches([0, 1, 2], 4, 32, seed=0, epoch=0)

    assert [len(batch) for batch in batches] == [12]
    assert sorted(set(batches[0])) == [0, 1, 2]


def test_batches_repeat_by_seed_and_epoch_whatever_else_draws():
    labels = [n // 5 for n in range(100)]
    first = product_batches(labels, 4, 32, seed=0, epoch=1)
    np.random.default_rng(0).random(10)

    assert product_batches(labels, 4, 32, seed=0, epoch=1) == first
    assert product_batches(labels, 4, 32, seed=0, epoch=2) != first
    assert product_batches(labels, 4, 32, seed=1, epoch=1) != first


def test_one_product_is_nothing_to_tell_apart():
    with pytest.raises(CatalogError, match="at least 2"):
        product_batches([0, 0, 0], 2, 4, seed=0, epoch=0)


def test_without_products_every_photo_comes_once():
    batches = photo_batches(9, 4, seed=0, epoch=0)

    assert [len(batch) for batch in batches] == [4, 4]
    assert len({n for batch in batches for n in batch}) == 8


# recall


@pytest.mark.parametrize(
    ("vectors", "labels", "first", "mean_precision"),
    [
        ([[1, 0], [1, 0.1], [0, 1], [0.1, 1]], [0, 0, 1, 1], 1.0, 1.0),
        (
            [[1, 0], [0, 1], [1, 0.1], [0.1, 1]],
            [0, 0, 1, 1],
            0.0,
            (1 / 3 + 1 / 3 + 1 / 2 + 1 / 2) / 4,
        ),
        ([[1, 0], [1, 0.1], [1, 0.05]], [0, 0, 1], 0.0, 0.5),
    ],
    ids=["apart", "mixed", "one that is alone is only in the way"],
)
def test_recall_is_what_it_is_by_hand(vectors, labels, first, mean_precision):
    found = leave_one_out(unit(*vectors), labels)

    assert found["recall@1"] == first
    assert found["recall@5"] == 1.0
    assert found["map"] == pytest.approx(mean_precision, abs=1e-6)
    assert found["queries"] == sum(labels.count(label) > 1 for label in labels)


def test_recall_without_queries_is_nothing():
    assert leave_one_out(unit([1, 0], [0, 1]), [0, 1]) == {
        "recall@1": 0.0,
        "recall@5": 0.0,
        "map": 0.0,
        "queries": 0.0,
    }


def test_views_find_their_own_photo_and_a_tower_without_opinion_finds_none():
    photos = unit(*np.eye(10))

    assert view_recall(photos, photos)["recall@1"] == 1.0
    assert view_recall(unit(*np.ones((10, 4))), unit(*np.ones((10, 4))))["recall@5"] == 0.0
