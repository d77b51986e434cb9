"""Photos become rows: objects, tags, kinds, colours and text, in batches that fill."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import shop
from fakes.models import FakeDetector, FakeEmbedder, FakeReader

from scenesearch.attributes.describer import PixelDescriber
from scenesearch.core.errors import ConfigError
from scenesearch.core.types import Detections
from scenesearch.models.cutout.cutter import CutRules
from scenesearch.models.encode import Encoder, RegionRules
from scenesearch.system.timing import StageTimes
from scenesearch.tagging.masks import decode_mask
from scenesearch.tagging.rows import TagRow
from scenesearch.tagging.tagger import Tagger, TagOptions

ROOM = (("red", "square"), ("blue", "wide"), ("green", "tall"))


class CountingDetector(FakeDetector):
    """Counts calls beside photos."""

    def __init__(self, **more):
        super().__init__(**more)
        self.calls = 0

    def detect(self, scenes):
        self.calls += 1
        return super().detect(scenes)


class CountingEmbedder(FakeEmbedder):
    """Counts calls beside pictures."""

    def __init__(self, **more):
        super().__init__(256, **more)
        self.calls = 0

    def embed_images(self, images):
        self.calls += 1
        return super().embed_images(images)


class LabelDetector(FakeDetector):
    """Says these labels, each of its own small box."""

    def __init__(self, *labels):
        super().__init__()
        self._labels = labels

    def detect(self, scenes):
        n = len(self._labels)
        boxes = np.array([[20 * i, 0, 20 * i + 18, 30] for i in range(n)], np.float32)
        scores = np.array([share for _, share in self._labels], np.float32)
        names = tuple(label for label, _ in self._labels)
        found = Detections(boxes.reshape(-1, 4), scores, names, (None,) * n)
        return [found for _ in scenes]


@pytest.fixture
def files(tmp_path):
    (tmp_path / "tags.yaml").write_text("- orange: [red]\n- blue: [navy]\n- green\n- cyan\n")
    (tmp_path / "kinds.yaml").write_text(
        "warm room: {words: [red, orange], labels: [red, orange]}\n"
        "cold room: {words: [blue, cyan], labels: [blue, green]}\n"
    )
    return {"vocabulary": tmp_path / "tags.yaml", "kinds": tmp_path / "kinds.yaml"}


def make_tagger(options=None, *, embedder=None, detector=None, colours=False, **more):
    encoder = Encoder(embedder or CountingEmbedder(), PixelDescriber(colours=colours), CutRules())
    return Tagger(encoder, detector or CountingDetector(), options, **more)


def room(*things):
    return shop.scene(shop.room(*(things or ROOM)))


def names(tags):
    return [tag.name for tag in tags]


# --- a row -------------------------------------------------------------------------------------


def test_a_row_says_what_is_in_the_photo_and_where():
    scene = room()

    (row,) = make_tagger(colours=True).tag([scene])

    assert (row.source, row.sha256, row.width, row.height) == (
        scene.source,
        scene.sha256,
        240,
        240,
    )
    assert row.error is None
    by_label = {one.label: one for one in row.objects}
    assert by_label.keys() == {"red", "blue", "green"}
    red = by_label["red"]
    assert red.box == (10.0, 105.0, 40.0, 135.0)
    assert red.confidence == pytest.approx(1.0)
    assert red.area_share == pytest.approx(30 * 30 / 240**2)
    assert red.position == "left"
    assert red.colours[0].name == "red"
    assert names(red.tags) == ["red"]
    assert len(red.phash) == len(row.phash) == 16
    assert {one.key for one in row.objects} == {"object:0", "object:1", "object:2"}
    assert sorted(names(row.tags)) == ["blue", "green", "red"]
    assert row.colours[0].name == "grey"


def test_a_row_survives_json():
    (row,) = make_tagger(TagOptions(masks=True), colours=True).tag([room()])

    assert TagRow.from_dict(row.to_dict()).to_dict() == row.to_dict()


def test_a_photo_with_nothing_in_it_has_a_row_without_objects():
    (row,) = make_tagger().tag([shop.scene(np.full((60, 90, 3), 128, np.uint8))])

    assert (row.width, row.height) == (90, 60)
    assert (row.objects, row.tags, row.kind, row.error) == ((), (), None, None)


def test_rows_are_in_the_order_of_the_photos_and_alone_the_same_as_together():
    scenes = [room(thing) for thing in ROOM] + [room(), room(("pink", "wide"))]
    tagger = make_tagger(TagOptions(masks=True), embedder=CountingEmbedder(has_text=True))

    together = [row.to_dict() for row in tagger.tag(scenes)]

    assert together == [tagger.tag([scene])[0].to_dict() for scene in scenes]
    assert [row["objects"][0]["label"] for row in (*together[:3], together[4])] == [
        "red",
        "blue",
        "green",
        "pink",
    ]


def test_no_photos_have_no_rows():
    tagger = make_tagger(embedder=CountingEmbedder(has_text=True))

    assert tagger.tag([]) == []
    assert tagger.tag_and_encode([]) == []


def test_threads_change_no_row():
    scenes = [room(thing) for thing in ROOM]
    one, many = (make_tagger(TagOptions(workers=n)).tag(scenes) for n in (1, 4))

    assert [row.to_dict() for row in one] == [row.to_dict() for row in many]


def test_the_rules_of_regions_are_those_of_a_search():
    (row,) = make_tagger(rules=RegionRules(limit=2)).tag([room()])
    assert len(row.objects) == 2

    (row,) = make_tagger(rules=RegionRules(min_area=0.014)).tag([room()])
    assert [one.label for one in row.objects] == ["red"]


def test_without_a_detector_rows_are_about_whole_photos():
    encoder = Encoder(FakeEmbedder(), PixelDescriber(), CutRules())

    (row,) = Tagger(encoder, None).tag([room()])

    assert row.objects == ()
    assert row.colours


# --- options -----------------------------------------------------------------------------------


def test_masks_are_there_on_request_and_lie_where_the_objects_are():
    scene = room(("red", "square"))
    (without,) = make_tagger().tag([scene])
    (row,) = make_tagger(TagOptions(masks=True)).tag([scene])

    assert without.objects[0].mask is None
    wanted = (scene.image == shop.rgb("red")).all(axis=2)
    assert np.array_equal(decode_mask(row.objects[0].mask), wanted)


def test_a_detector_without_masks_gives_none():
    (row,) = make_tagger(TagOptions(masks=True), detector=FakeDetector(masks=False)).tag([room()])

    assert all(one.mask is None for one in row.objects)


def test_colours_can_be_left_out():
    (row,) = make_tagger(TagOptions(colours=False), colours=True).tag([room()])

    assert row.colours == ()
    assert all(one.colours == () for one in row.objects)


def test_text_is_read_only_where_asked_for():
    reader = FakeReader()
    (quiet,) = make_tagger(reader=reader).tag([room()])
    assert (quiet.text, reader.photos) == ((), 0)

    (row,) = make_tagger(TagOptions(ocr=True), reader=reader).tag([room()])
    assert sorted(line.text for line in row.text) == ["blue", "green", "red"]
    assert reader.photos == 1


def test_text_without_a_reader_is_refused():
    with pytest.raises(ValueError, match=r"options[.]ocr is on and reader is None"):
        make_tagger(TagOptions(ocr=True))


@pytest.mark.parametrize(
    "wrong",
    [
        *({"limit": 0}, {"object_limit": 0}, {"workers": 0}),
        *({"min_score": -0.1}, {"kind_floor": 1.1}, {"same": -2.0}),
    ],
    ids=str,
)
def test_options_out_of_range_are_refused(wrong):
    with pytest.raises(ValueError, match=f"{next(iter(wrong))} must be"):
        TagOptions(**wrong)


def test_a_vocabulary_that_cannot_be_read_is_said_when_the_tagger_is_made(tmp_path):
    with pytest.raises(ConfigError, match=r"gone\.yaml"):
        make_tagger(TagOptions(vocabulary=tmp_path / "gone.yaml"))


# --- labels alone ------------------------------------------------------------------------------


def test_labels_get_the_names_of_the_vocabulary_and_each_name_is_there_once(files):
    detector = LabelDetector(("Red", 0.5), ("navy", 0.4), ("blue", 0.9), ("zebra", 0.3))
    (row,) = make_tagger(TagOptions(**files), detector=detector).tag([room()])

    assert [(t.name, round(t.score, 3), t.source) for t in row.tags] == [
        ("blue", 0.9, "label"),
        ("orange", 0.5, "label"),
        ("zebra", 0.3, "label"),
    ]
    assert [one.label for one in row.objects] == ["Red", "navy", "blue", "zebra"]


@pytest.mark.parametrize(
    ("labels", "kind"),
    [
        ([("red", 0.9), ("blue", 0.3)], ("warm room", 0.75)),
        ([("blue", 0.4), ("green", 0.4), ("red", 0.2)], ("cold room", 0.8)),
        ([("red", 0.1), ("zebra", 0.9)], (None, 0.0)),
        ([("red", 0.2)] * 4 + [("zebra", 0.2)], ("warm room", 0.5)),
        ([], (None, 0.0)),
    ],
    ids=["most", "two labels together", "below the floor", "a label counts once", "nothing"],
)
def test_without_a_text_tower_the_kind_comes_from_labels(files, labels, kind):
    (row,) = make_tagger(TagOptions(**files), detector=LabelDetector(*labels)).tag([room()])

    assert row.kind == kind[0]
    assert row.kind_score == pytest.approx(kind[1], abs=1e-6)


def test_without_a_text_tower_nothing_is_embedded():
    embedder = CountingEmbedder()
    make_tagger(embedder=embedder).tag([room(), room()])

    assert (embedder.embedded, embedder.loads) == (0, 0)


# --- a text tower ------------------------------------------------------------------------------


def test_a_text_tower_names_photos_objects_and_kinds(files):
    embedder = CountingEmbedder(has_text=True)
    detector = LabelDetector(("thing", 0.6))
    scene = shop.scene(np.full((60, 60, 3), shop.rgb("red"), np.uint8))

    (row,) = make_tagger(TagOptions(**files), embedder=embedder, detector=detector).tag([scene])

    assert (row.kind, row.kind_score > 0.5) == ("warm room", True)
    sources = {tag.name: tag.source for tag in row.tags}
    assert sources["orange"] == "zero_shot"
    assert sources["thing"] == "label"
    assert "orange" in names(row.objects[0].tags)


def test_a_name_that_both_say_is_there_once_with_the_better_score(files):
    embedder = CountingEmbedder(has_text=True)
    detector = LabelDetector(("red", 0.01))
    scene = shop.scene(np.full((60, 60, 3), shop.rgb("red"), np.uint8))

    (row,) = make_tagger(TagOptions(**files), embedder=embedder, detector=detector).tag([scene])

    (tag,) = [tag for tag in row.tags if tag.name == "orange"]
    assert tag.source == "zero_shot"
    assert tag.score > 0.01


@pytest.mark.parametrize("limit", [1, 2, 3])
@pytest.mark.parametrize(("label", "own"), [("thing", "thing"), ("red", "orange")])
def test_an_object_keeps_the_name_of_its_label_however_many_words_are_surer(
    files, limit, label, own
):
    options = TagOptions(object_limit=limit, min_score=0.0, **files)
    tagger = make_tagger(
        options,
        embedder=CountingEmbedder(has_text=True),
        detector=LabelDetector((label, 0.001)),
    )
    (row,) = tagger.tag([shop.scene(np.full((60, 60, 3), shop.rgb("red"), np.uint8))])

    tags = row.objects[0].tags
    assert [tag.name for tag in tags if tag.source == "label"] == [own]
    assert len(names(tags)) == len(tags) <= limit


def test_the_text_tower_can_be_left_out(files):
    embedder = CountingEmbedder(has_text=True)
    tagger = make_tagger(TagOptions(zero_shot=False, **files), embedder=embedder)

    (row,) = tagger.tag([room()])

    assert {tag.source for tag in row.tags} == {"label"}
    assert embedder.calls == 0


@pytest.mark.parametrize("encode", [False, True], ids=["rows", "rows and vectors"])
def test_a_batch_goes_through_each_model_once(files, encode):
    embedder, detector = CountingEmbedder(has_text=True), CountingDetector()
    tagger = make_tagger(TagOptions(**files), embedder=embedder, detector=detector)
    scenes = [room(thing) for thing in ROOM]

    _ = tagger.tag_and_encode(scenes) if encode else tagger.tag(scenes)

    assert (detector.calls, detector.scenes) == (1, 3)
    assert embedder.calls == 1
    # the photo and its object; cutouts alone are enough for words, contexts are stored too, but for
    # that of a whole photo, which is the same picture
    assert embedder.embedded == (9 if encode else 6)


# --- rows with vectors -------------------------------------------------------------------------


@pytest.mark.parametrize("has_text", [False, True], ids=["labels", "text tower"])
def test_encoded_regions_come_with_the_same_rows_the_whole_photo_first(files, has_text):
    embedder = CountingEmbedder(has_text=has_text)
    tagger = make_tagger(TagOptions(**files), embedder=embedder, colours=True)
    scenes = [room(), room(("pink", "wide")), shop.scene(np.full((60, 90, 3), 128, np.uint8))]

    found = tagger.tag_and_encode(scenes)

    rows = [row.to_dict() for row, _ in found]
    assert rows == [row.to_dict() for row in tagger.tag(scenes)]
    for scene, (row, regions) in zip(scenes, found, strict=True):
        assert [one.region.key for one in regions] == ["whole", *(o.key for o in row.objects)]
        assert [one.region.label for one in regions[1:]] == [o.label for o in row.objects]
        alone = embedder.embed_images([scene.image])[0]
        np.testing.assert_allclose(regions[0].vectors["cutout"], alone, atol=1e-6)
        assert regions[0].description.phash == row.phash


# --- fingerprints, life and times --------------------------------------------------------------


def test_the_fingerprint_is_on_every_row_and_known_without_loading(files):
    embedder = CountingEmbedder(has_text=True)
    tagger = make_tagger(TagOptions(**files), embedder=embedder)
    fingerprint = tagger.fingerprint

    assert embedder.loads == 0
    assert [row.models for row in tagger.tag([room(), room()])] == [fingerprint] * 2
    assert tagger.fingerprint == fingerprint


def _changed(files, what):
    base = {"options": TagOptions(**files), "embedder": CountingEmbedder(has_text=True)}
    options = base["options"]
    if what == "vocabulary":
        files["vocabulary"].write_text("- red\n")
        return base
    if what == "kinds":
        files["kinds"].write_text("warm: {}\n")
        return base
    return (
        base
        | {
            "masks": {"options": replace(options, masks=True)},
            "colours": {"options": replace(options, colours=False)},
            "limit": {"options": replace(options, limit=3)},
            "min_score": {"options": replace(options, min_score=0.2)},
            "kind_floor": {"options": replace(options, kind_floor=0.5)},
            "zero_shot": {"options": replace(options, zero_shot=False)},
            "embedder": {"embedder": CountingEmbedder(has_text=True, seed=1)},
            "detector": {"detector": FakeDetector(min_share=0.5)},
            "rules": {"rules": RegionRules(limit=3)},
            "reader": {"options": replace(options, ocr=True), "reader": FakeReader()},
            "workers": {"options": replace(options, workers=7)},
        }[what]
    )


@pytest.mark.parametrize(
    "what",
    [
        *("vocabulary", "kinds", "masks", "colours", "limit", "min_score", "kind_floor"),
        *("zero_shot", "embedder", "detector", "rules", "reader"),
    ],
)
def test_whatever_changes_a_row_changes_the_fingerprint(files, what):
    before = make_tagger(**_changed(files, "workers"), colours=True).fingerprint

    assert make_tagger(**_changed(files, what), colours=True).fingerprint != before


def test_what_changes_no_row_leaves_the_fingerprint():
    def of(seed, workers):
        options = TagOptions(workers=workers)
        return make_tagger(options, embedder=CountingEmbedder(seed=seed)).fingerprint

    assert of(0, 1) == of(1, 4)


def test_loading_and_closing_reach_the_models_that_are_used(files):
    embedder = CountingEmbedder(has_text=True)
    tagger = make_tagger(TagOptions(**files), embedder=embedder)
    tagger.load()
    tagger.load()
    assert embedder.loads == 1

    tagger.close()
    assert tagger.tag([room()])[0].tags
    assert embedder.loads == 2


def test_times_are_added_up_by_stage():
    times = StageTimes()
    tagger = make_tagger(embedder=CountingEmbedder(has_text=True))
    tagger.tag([room()], times)

    assert set(times.seconds) == {"detect", "describe", "embed", "read", "tag"}


# --- the settings ------------------------------------------------------------------------------


def test_the_settings_make_a_tagger(monkeypatch):
    from scenesearch import wiring
    from scenesearch.config.settings import load_settings

    parts = wiring.Parts(load_settings(tagging={"limit": 2}))
    parts.__dict__.update(
        encoder=shop.make_encoder(FakeEmbedder()), detector=FakeDetector(), reader=FakeReader()
    )

    tagger = wiring.build_tagger(parts, TagOptions(ocr=True, colours=False))
    (row,) = tagger.tag([room()])

    assert len(row.objects) == 2
    assert len(row.text) == 3
    assert row.colours == ()
    assert wiring.build_tagger(parts).reader is None


# --- real models -------------------------------------------------------------------------------


@pytest.mark.models
def test_a_real_kitchen_and_bedroom_are_tagged_as_such(shared_data, real_models):
    from scenesearch.config.settings import load_settings
    from scenesearch.images import load_scene
    from scenesearch.wiring import Parts, build_tagger

    photos = [
        shared_data / "ikea" / "scenes" / name for name in ("a67d96d89c.jpg", "9124cd964c.jpg")
    ]
    if not all(photo.is_file() for photo in photos):
        pytest.skip("these photos are not there")
    parts = Parts(load_settings("cpu-small", models_dir=real_models))
    tagger = build_tagger(parts, TagOptions(masks=True))

    kitchen, bedroom = tagger.tag([load_scene(photo) for photo in photos])

    assert bedroom.kind == "bedroom"
    assert "bed" in names(bedroom.tags)
    assert kitchen.kind == "kitchen"
    assert any(one.mask for one in kitchen.objects)
    for one in (*kitchen.objects, *bedroom.objects):
        if one.mask is not None:
            x1, y1, x2, y2 = one.box
            inside = decode_mask(one.mask)[int(y1) : int(y2) + 1, int(x1) : int(x2) + 1]
            assert inside.sum() == decode_mask(one.mask).sum()
    tagger.close()


def test_a_text_tower_of_one_kind_of_thing_does_not_say_what_a_photo_shows():
    """Asked of rooms, the package's own called two in three a beach."""
    from scenesearch.config.settings import load_settings
    from scenesearch.wiring import Parts, build_tagger

    tagger = build_tagger(Parts(load_settings("offline")))
    assert tagger.encoder.embedder.has_text
    assert not tagger.zero_shot
