"""Public benchmarks: layouts as they are published, and figures worked out by hand.

Pictures are of one grey each and lie on a quarter of a circle by it, so that the nearest grey is
the best match: 0 and 10 are nearer than 0 and 30.
"""

from __future__ import annotations

import io
import json
import sys

import numpy as np
import pytest
import shop
from fakes.models import FakeEmbedder
from PIL import Image

from scenesearch.cli.main import main as command_line
from scenesearch.core.errors import CatalogError
from scenesearch.evaluation.metrics import graded_ndcg
from scenesearch.evaluation.public.inshop import read_inshop
from scenesearch.evaluation.public.lookbench import read_lookbench
from scenesearch.evaluation.public.pinpoint import paraphrases, read_pinpoint
from scenesearch.evaluation.public.roxford import judged, read_roxford, trapezoid_precision
from scenesearch.evaluation.public.run import Runner, best
from scenesearch.evaluation.public.sop import read_sop
from scenesearch.images import load_scene
from scenesearch.models.embed.cache import EmbeddingCache
from scenesearch.models.embed.pca import fit_projection


class ByGrey(FakeEmbedder):
    """Greys on a quarter of a circle; words are the grey that they name."""

    def __init__(self):
        super().__init__(2, has_text=True)

    def embed_images(self, images):
        self.embedded += len(images)
        return self._angles([float(image.mean()) for image in images])

    def embed_texts(self, texts):
        return self._angles([float(text.split()[-1]) for text in texts])

    def _angles(self, greys):
        angles = np.array(greys) / 255 * np.pi / 2
        return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)


def grey(value, *, box=None, around=255):
    """A PNG of one grey; with a box, only there."""
    pixels = np.full((40, 40, 3), around if box else value, np.uint8)
    if box:
        x1, y1, x2, y2 = box
        pixels[y1:y2, x1:x2] = value
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def put(path, data):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return path


def runner(cache=None, **options):
    return Runner(ByGrey(), cache or EmbeddingCache(":memory:"), load_scene, **options)


def answered(task, **options):
    return runner(**options).answer(task)


def values(result):
    return {name: round(figure.value, 4) for name, figure in result.figures.items()}


def main(arguments):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["scenesearch", *arguments])
        return command_line()


# Stanford Online Products


def products(folder):
    rows = [(1, 7, 0), (2, 7, 12), (3, 8, 100), (4, 8, 14), (5, 9, 250)]
    lines = ["image_id class_id super_class_id path"]
    for image, product, level in rows:
        lines.append(f"{image} {product} 1 chair_final/{product}_{image}.JPG")
        put(folder / "chair_final" / f"{product}_{image}.JPG", grey(level))
    put(folder / "Ebay_test.txt", "\n".join(lines) + "\n")
    return folder


def test_each_product_is_asked_with_against_all_others(tmp_path):
    (task,) = read_sop(products(tmp_path))

    found = answered(task)

    # 0 finds 12 (right); 12 finds 14; 100 finds 14 (right); 14 finds 12; 250 has no other
    assert [row["recall@1"] for row in found.rows] == [1, 0, 1, 0, 0]
    assert [row["recall@10"] for row in found.rows] == [1, 1, 1, 1, 0]
    assert values(found) == {
        "recall@1": 0.4,
        "recall@10": 0.8,
        "recall@100": 0.8,
        "recall@1000": 0.8,
    }
    assert (found.queries, found.gallery, found.failures) == (5, 5, ())


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "line 1: expected image_id"),
        ("image_id class_id super_class_id path\n1 2 chair/a.JPG", "line 2"),
        ("image_id class_id super_class_id path\n1 2 3 ../../secret.JPG", "leads out"),
        ("image_id class_id super_class_id path\n", "no pictures"),
    ],
)
def test_a_damaged_list_is_named_by_its_line(tmp_path, text, said):
    put(tmp_path / "Ebay_test.txt", text)

    with pytest.raises(CatalogError, match=said):
        read_sop(tmp_path)


# In-shop


def clothes(folder, deep="Img/img"):
    rows = [
        ("01", "id_1", "train", 5),
        ("02", "id_1", "query", 50),
        ("03", "id_1", "gallery", 90),
        ("04", "id_2", "gallery", 60),
        ("05", "id_2", "query", 62),
    ]
    lines = [f"{len(rows)}", "image_name item_id evaluation_status"]
    for name, item, part, level in rows:
        lines.append(f"img/WOMEN/Dresses/{item}/{name}.jpg   {item}   {part}")
        root = folder / deep.removesuffix("/img").removesuffix("img")
        put(root / "img" / "WOMEN" / "Dresses" / item / f"{name}.jpg", grey(level))
    put(folder / "Eval" / "list_eval_partition.txt", "\n".join(lines))
    return folder


@pytest.mark.parametrize("deep", ["Img/img", "img"])
def test_queries_look_for_their_item_in_the_gallery(tmp_path, deep):
    (task,) = read_inshop(clothes(tmp_path, deep))

    found = answered(task)

    # 50 finds 60, which is another item, before 90; 62 finds 60
    assert values(found)["recall@1"] == 0.5
    assert values(found)["recall@10"] == 1.0
    assert (found.queries, found.gallery) == (2, 2)


def test_a_list_that_is_cut_off_is_refused(tmp_path):
    path = clothes(tmp_path) / "Eval" / "list_eval_partition.txt"
    path.write_text(path.read_text().rsplit("\n", 1)[0])

    with pytest.raises(CatalogError, match="4 pictures, expected 5"):
        read_inshop(tmp_path)


# Revisited Oxford


def test_average_precision_is_the_area_by_trapezoids():
    # right at 1 and 3 of 2: (1 + 1) / 2 / 2 + (1/2 + 2/3) / 2 / 2
    assert trapezoid_precision(np.array([0, 2]), 2) == pytest.approx(0.7916667)
    # one of two found, at the second place: (0 + 1/2) / 2 / 2
    assert trapezoid_precision(np.array([1]), 2) == pytest.approx(0.125)


def test_junk_is_taken_out_and_precision_stops_at_the_last_right_picture():
    groups = {"easy": np.array([0]), "hard": np.array([3]), "junk": np.array([1])}
    ranking = np.array([1, 0, 2, 3])

    found = judged(groups, ranking)

    # easy: without junk 1 and hard 3: 0, 2. medium: 0, 2, 3. hard: without 1 and 0: 2, 3
    assert found["map_easy"] == 1.0
    assert found["map_medium"] == pytest.approx((1 + (1 / 2 + 2 / 3) / 2) / 2)
    assert found["map_hard"] == pytest.approx((0 + 1 / 2) / 2)
    assert found["mp@1_easy"] == found["mp@10_easy"] == 1.0
    assert found["mp@5_medium"] == pytest.approx(2 / 3)
    assert (found["mp@1_hard"], found["mp@5_hard"]) == (0.0, 0.5)


def test_a_query_without_a_right_picture_has_no_figure_in_that_protocol():
    groups = {"easy": np.array([], int), "hard": np.array([1]), "junk": np.array([], int)}

    found = judged(groups, np.array([0, 1]))

    assert not any(name.endswith("easy") for name in found)
    assert found["map_hard"] == found["map_medium"]


def buildings(folder, pickled):
    for name, level in (("all_0", 30), ("all_1", 31), ("all_2", 200), ("all_3", 33)):
        put(folder / "jpg" / f"{name}.jpg", grey(level))
    put(folder / "jpg" / "asked.jpg", grey(30, box=(5, 5, 25, 25), around=220))
    truth = {
        "imlist": ["all_0", "all_1", "all_2", "all_3"],
        "qimlist": ["asked"],
        "gnd": [
            {
                "bbx": [5.0, 5.0, 25.0, 25.0],
                "easy": np.array([0]),
                "hard": np.array([3, 2]),
                "junk": np.array([1]),
            }
        ],
    }
    put(folder / "gnd_roxford5k.pkl", pickled(truth))
    return folder


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_the_ground_truth_of_buildings_is_read_whatever_wrote_it(tmp_path, protocol):
    import pickle

    (task,) = read_roxford(buildings(tmp_path, lambda value: pickle.dumps(value, protocol)))

    found = answered(task)

    # asked with what is in the box, 30: 0, (1 is junk), 3, 2
    assert values(found)["map_easy"] == 1.0
    assert values(found)["map_medium"] == 1.0
    assert values(found)["map_hard"] == 1.0
    assert values(found)["mp@10_medium"] == 1.0


def test_only_the_box_of_a_query_is_asked_with(tmp_path):
    import pickle

    folder = buildings(tmp_path, pickle.dumps)
    # the whole picture is nearer to 200
    put(folder / "jpg" / "all_0.jpg", grey(30))

    (task,) = read_roxford(folder)
    whole = next(iter(task.asked))
    (picture,) = [one.box for one in task.asked]

    assert picture == (5, 5, 25, 25)
    assert load_scene(whole.data).image.mean() > 150


# LookBench


def looks(folder, *, version="v20251201", noise=True):
    import pyarrow as pa
    import pyarrow.parquet as pq

    def table(path, rows):
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(
            pa.table(
                {
                    "image": [{"bytes": grey(level), "path": None} for level, *_ in rows],
                    "category": [category for _, category, *_ in rows],
                    "main_attribute": [main for _, _, main, _ in rows],
                    "other_attributes": [others for *_, others in rows],
                }
            ),
            path,
        )

    part = folder / version / "real_studio_flat"
    table(
        part / "query.parquet",
        [(10, "dress", "red", ["long", "silk"]), (100, "shoe", "black", [])],
    )
    table(
        part / "gallery.parquet",
        [
            (12, "dress", "red", ["long"]),
            (14, "Dress", "red", ["silk", "long"]),
            (103, "shoe", "black", []),
            (200, "dress", "blue", ["short"]),
        ],
    )
    if noise:
        table(folder / version / "noise" / "noise.parquet", [(102, "bag", "black", [])])
    return folder


def test_looks_are_right_by_category_and_by_all_attributes(tmp_path):
    (task,) = read_lookbench(looks(tmp_path))

    found = answered(task)

    assert (found.name, found.queries, found.gallery) == ("real_studio_flat", 2, 5)
    # 10 finds 12: a dress with two of three attributes; 100 finds 102: noise
    assert [row["coarse_recall@1"] for row in found.rows] == [1, 0]
    assert [row["fine_recall@1"] for row in found.rows] == [0, 0]
    # 12, 14, then 100s and 200 of the dress: gains 2/3, 1, 0, 0, 0; ideal 1, 2/3
    first = (2 / 3 + 1 / np.log2(3)) / (1 + 2 / 3 / np.log2(3))
    assert found.rows[0]["ndcg@5"] == pytest.approx(first)
    # noise, then the shoe
    assert found.rows[1]["ndcg@5"] == pytest.approx(1 / np.log2(3))


def test_without_noise_the_gallery_is_its_own(tmp_path):
    (task,) = read_lookbench(looks(tmp_path, noise=False))

    found = answered(task)

    assert found.gallery == 4
    assert [row["fine_recall@1"] for row in found.rows] == [0, 1]


def test_gains_by_degrees_are_divided_by_the_best_there_is():
    assert graded_ndcg(np.array([0.0, 0.5]), np.array([0.5, 0.0, 0.25]), 2) == pytest.approx(
        0.5 / np.log2(3) / (0.5 + 0.25 / np.log2(3))
    )


# PinPoint


def pins(folder):
    import pyarrow as pa
    import pyarrow.parquet as pq

    signatures = {name * 8: level for name, level in zip("abcdef", range(20, 140, 20), strict=True)}
    for number, (signature, level) in enumerate(signatures.items()):
        deep = f"{signature[:2]}/{signature[2:4]}/{signature[4:6]}/" if number % 2 else ""
        put(folder / "images" / f"{deep}{signature}.jpg", grey(level))
    put(folder / "index_signatures.txt", "\n".join(signatures) + "\n")
    a, b, c, d, *_ = signatures
    pq.write_table(
        pa.table(
            {
                "query_id": ["query_00001", "query_00002", "query_00003"],
                "query_image_signature": [a, a, b],
                "query_image_signature2": ["None", "None", d],
                "instruction": ["like 20", "rather 120", "both 60"],
                "positive_candidates": [[b, c], [b, c], [c, "gone"]],
                "negative_candidates": [[a], [a], []],
            }
        ),
        folder / "pinpoint_licensed.parquet",
    )
    return folder


def test_pictures_with_an_instruction(tmp_path):
    (task,) = read_pinpoint(pins(tmp_path))

    found = answered(task, text_weight=0.5)

    assert found.words
    first, second, third = found.rows
    # 20 and "20" lie at 20: a, b, c, ...
    assert (first["precision@1"], first["precision@10"]) == (0, 0.2)
    assert first["map@10"] == pytest.approx((1 / 2 + 2 / 3) / 2)
    assert first["negative_recall@1"] == 1
    assert first["map@10_without"] == 1
    # 20 and "120" lie at 70: d, c are as near, then e, b (by rounding the order is theirs)
    assert second["negative_recall@1"] == 0
    assert second["negative_recall@10"] == 1
    # two pictures, 40 and 80, and "60" lie at 60: c first; of two right ones one is in the index
    assert third["precision@1"] == 1
    assert (third["recall@10"], third["map@10"]) == (0.5, 0.5)
    assert values(found)["paraphrase_range"] == 0
    assert found.figures["paraphrase_range"].low is None


def test_the_pictures_alone_where_words_have_no_weight(tmp_path):
    (task,) = read_pinpoint(pins(tmp_path))

    found = answered(task, text_weight=0)

    assert not found.words
    assert found.rows[0] == found.rows[1]


def test_paraphrases_are_apart_by_their_precision():
    assert paraphrases([("a",), ("a",), ("b",), ("c", "d")], [0.1, 0.5, 0.9, 0.2]) == {
        "paraphrase_range": pytest.approx(0.4),
        "paraphrase_std": pytest.approx(0.2),
    }


# whatever the benchmark


def test_a_run_that_was_stopped_embeds_only_what_is_left(tmp_path):
    (task,) = read_sop(products(tmp_path))
    cache = EmbeddingCache(":memory:")
    first = runner(cache)
    before = first.answer(task)
    again = runner(cache)

    after = again.answer(task)

    assert after == before
    assert again._embedder.embedded == 0


def test_a_picture_that_is_not_there_is_a_wrong_answer_and_named(tmp_path):
    folder = products(tmp_path)
    (folder / "chair_final" / "7_1.JPG").unlink()
    (folder / "chair_final" / "9_5.JPG").write_bytes(b"no picture")
    (task,) = read_sop(folder)

    found = answered(task)

    assert [row["recall@10"] for row in found.rows] == [0, 0, 1, 1, 0]
    assert {name.rsplit("/", 1)[1] for name, _ in found.failures} == {"7_1.JPG", "9_5.JPG"}
    assert found.queries == found.gallery == 5


def test_a_folder_without_pictures_is_said(tmp_path):
    put(tmp_path / "Ebay_test.txt", "image_id class_id super_class_id path\n1 2 3 a/b.JPG")
    (task,) = read_sop(tmp_path)

    with pytest.raises(CatalogError, match=r"none of the pictures can be read.*b\.JPG"):
        answered(task)


def test_fewer_queries_are_asked_of_the_whole_gallery(tmp_path):
    (task,) = read_sop(products(tmp_path))

    found = runner().answer(task, limit=2)

    assert (found.queries, found.gallery) == (2, 5)
    assert [row["recall@1"] for row in found.rows] == [1, 0]


def test_a_projection_is_applied_to_both_sides(tmp_path):
    (task,) = read_sop(products(tmp_path))

    found = answered(task, fit=lambda vectors: fit_projection(vectors, 2))

    assert found.projected == 2
    assert len(found.rows) == 5


def test_equal_scores_keep_their_order_however_many_are_asked_for():
    scores = np.array([0.5, 0.9, 0.5, 0.5, 0.1], np.float32)

    assert best(scores, 0).tolist() == [1, 0, 2, 3, 4]
    assert [best(scores, k).tolist() for k in (1, 2, 3)] == [[1], [1, 0], [1, 0, 2]]


@pytest.mark.parametrize("name", ["lookbench", "sop", "inshop", "roxford", "pinpoint"])
def test_a_folder_of_something_else_is_refused(tmp_path, name, capsys):
    code = main(["bench", name, str(tmp_path)])

    assert code == 2
    said = capsys.readouterr().err
    assert str(tmp_path) in said
    assert "expected" in said


@pytest.mark.models
def test_the_command_says_how_well_a_profile_does(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("SCENESEARCH_CACHE_DIR", str(tmp_path / "cache"))
    folder = products(tmp_path / "sop")

    assert main(["bench", "sop", str(folder), "--config", "offline", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["benchmark"] == "sop"
    assert said["tasks"][0]["queries"] == 5
    # too few for a projection
    assert said["tasks"][0]["projected"] is None
    assert 0 <= said["tasks"][0]["figures"]["recall@1"]["value"] <= 1
    (folder / "chair_final" / "7_1.JPG").unlink()
    assert main(["bench", "sop", str(folder), "--config", "offline"]) == 3
    assert "7_1.JPG" in capsys.readouterr().err


def test_a_profile_projects_where_the_gallery_is_large_enough(tmp_path):
    from scenesearch.config.settings import Settings
    from scenesearch.wiring import build_benchmark_runner

    (task,) = read_sop(products(tmp_path))
    found = {}
    for whiten in (0, 1, 2):
        settings = Settings(embedder={"whiten": whiten}, cache_dir=tmp_path / "cache")
        parts = shop.FakeParts(settings)
        made = build_benchmark_runner(parts, text_weight=0.5, progress=lambda *_: None)
        found[whiten] = made.answer(task).projected

    # five pictures are three for one number, and not for two
    assert found == {0: None, 1: 1, 2: None}


def test_the_command_prints_figures_with_their_intervals(tmp_path, capsys, monkeypatch):
    shop.use_fakes(monkeypatch)
    folder = products(tmp_path / "sop")

    assert main(["bench", "sop", str(folder), "--limit", "2"]) == 0

    said = capsys.readouterr().out
    assert "2 queries (pictures) over 5 pictures, as embedded" in said
    assert "recall@1000" in said
    assert main(["bench", "pinpoint", str(pins(tmp_path / "pins")), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["text_weight"] == 0.5
    assert told["tasks"][0]["words"]
    assert told["tasks"][0]["figures"]["paraphrase_range"]["low"] is None
