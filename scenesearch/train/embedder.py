"""Fine-tuning a tower on a catalogue: groups in; weights, model card, figures and profile out."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scenesearch.core.errors import CatalogError, ConfigError, ImageError, ModelLoadError
from scenesearch.models.embed.tower import Tower, TowerSource, normalise_rows
from scenesearch.train.card import model_card, profile, verdict, versions
from scenesearch.train.checkpoint import Checkpoints, save_tensors, write_text
from scenesearch.train.groups import Group, Photo, Split, fingerprint, flatten, split
from scenesearch.train.loop import Figures, History, Report, Task, deterministic, run
from scenesearch.train.losses import Loss, ViewLoss, WeightedLoss
from scenesearch.train.recall import leave_one_out, view_recall
from scenesearch.train.recipe import Recipe
from scenesearch.train.samplers import photo_batches, product_batches
from scenesearch.train.subjects import Subjects
from scenesearch.train.views import Views

WEIGHTS, CARD, METRICS, PROFILE = (
    "weights.safetensors",
    "README.md",
    "metrics.jsonl",
    "profile.yaml",
)
CHECKPOINTS = "checkpoint"
EVALUATION_BATCH = 32


@dataclass(frozen=True, slots=True)
class About:
    """What the model card says of the data, and the profile of everything but the weights.

    Attributes:
        data: a sentence about the catalogue.
        licence: of the data.
        settings: of the profile; ``weights`` of its ``embedder`` is put in.
    """

    data: str = ""
    licence: str = "not stated"
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run left behind.

    Attributes:
        rows: figures by epoch, the first before training.
        best: the epoch whose weights are kept; 0 for the starting ones.
        unreadable: photos that could not be read, and why.
        notes: what was odd but harmless.
    """

    folder: Path
    rows: tuple[Mapping[str, Any], ...]
    best: int
    unreadable: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def weights(self) -> Path:
        """The fine-tuned tower."""
        return self.folder / WEIGHTS

    @property
    def verdict(self) -> str:
        """What training gave, in one sentence."""
        return verdict(self.rows, self.best)


def train_embedder(
    source: TowerSource,
    groups: Sequence[Group],
    subjects: Subjects,
    recipe: Recipe,
    out: Path,
    *,
    about: About | None = None,
    device: str = "cpu",
    workers: int = 2,
    resume: bool = False,
    report: Report = lambda *_: None,
) -> Outcome:
    """Fine-tune a tower, and write it with all that is needed to use and to judge it.

    Args:
        source: which tower, with the weights to start from.
        groups: photos by product.
        subjects: cuts the photos; for the source's side.
        recipe: how.
        out: a folder for ``weights.safetensors``, ``profile.yaml``, ``metrics.jsonl``, a model
            card, and the checkpoint.
        about: for the card and the profile.
        device: ``cpu``, ``cuda``, ``mps``.
        workers: threads that cut and change photos.
        resume: go on with the run in ``out``.
        report: is told of each step.

    Raises:
        ConfigError: ``out`` holds a run already, or the recipe does not suit the tower.
        CatalogError: there is too little to train on.
        ModelError: the tower cannot be loaded, or the checkpoint is of another run.
    """
    about = about or About()
    checkpoints = Checkpoints(out / CHECKPOINTS)
    if (out / WEIGHTS).exists() and not resume:
        raise ConfigError(
            f"{out}: holds a training run already; give another folder, or go on with --resume"
        )
    notes: tuple[str, ...] = ()
    if resume and not checkpoints.exist:
        notes = (f"{out} has no finished epoch to resume from; started anew",)
        resume = False
    readable, unreadable = _readable(groups, subjects, workers, report)
    subjects.rest()
    parts = split(readable, recipe.holdout, recipe.seed)
    photos, labels = flatten(parts.train)
    if not recipe.unsupervised and len(photos) == len(parts.train):
        raise CatalogError(
            "No product has two photos, so there is no group to learn from; give more photos of "
            "each, --scenes with boxes, a --group-field, or train with --unsupervised"
        )
    out.mkdir(parents=True, exist_ok=True)
    tower = _on_device(source.load(), device)
    with (
        deterministic(device),
        closing(Views(subjects, photos, recipe, source.side, workers=workers)) as views,
    ):
        task = _task(source, tower, views, labels, parts, recipe, out, device)
        history = run(
            task,
            recipe,
            resume=resume,
            report=report,
            each=lambda so_far: _write_metrics(out, so_far),
        )
    outcome = Outcome(out, tuple(history.rows), history.best, unreadable, notes)
    _write_texts(outcome, source, parts, recipe, about)
    return outcome


def _readable(
    groups: Sequence[Group], subjects: Subjects, workers: int, report: Report
) -> tuple[list[Group], tuple[tuple[str, str], ...]]:
    """The groups without the photos that cannot be read: better said now than in an epoch."""
    from concurrent.futures import ThreadPoolExecutor

    def problem(photo: Photo) -> str:
        try:
            subjects.get(photo)
        except ImageError as error:
            return str(error)
        return ""

    photos = list(dict.fromkeys(photo for group in groups for photo in group.photos))
    with ThreadPoolExecutor(max(1, workers)) as pool:
        problems = {}
        for photo, why in zip(photos, pool.map(problem, photos), strict=True):
            problems[photo] = why
            report("cut", len(problems), len(photos))
    good = [
        Group(group.key, tuple(p for p in group.photos if not problems[p]), group.family)
        for group in groups
    ]
    bad = tuple((photo.path, why) for photo, why in problems.items() if why)
    return [group for group in good if group.photos], bad


def _on_device(tower: Tower, device: str) -> Tower:
    if tower.checkpoint is None:
        raise ConfigError("This tower cannot be saved, so there is no use in training it")
    try:
        tower.pixels_to_vectors.to(device)
    except (RuntimeError, AssertionError) as error:
        raise ModelLoadError(
            f"The device {device!r} cannot be used: {error}; train with device cpu"
        ) from error
    return tower


def _task(
    source: TowerSource,
    tower: Tower,
    views: Views,
    labels: list[int],
    parts: Split,
    recipe: Recipe,
    out: Path,
    device: str,
) -> Task:
    import torch

    checkpoint = tower.checkpoint
    assert checkpoint is not None
    loss: Loss
    if recipe.unsupervised:
        loss = ViewLoss(recipe.temperature)
    else:
        torch.manual_seed(recipe.seed)  # proxies start at random
        loss = WeightedLoss(recipe.losses, source.dim, len(parts.train), device)

    def batches(epoch: int) -> list[list[int]]:
        if recipe.unsupervised:
            return photo_batches(len(labels), recipe.batch, seed=recipe.seed, epoch=epoch)
        return product_batches(
            labels, recipe.per_product, recipe.batch, seed=recipe.seed, epoch=epoch
        )

    batches(0)  # says now what would be said at the first step
    # what may differ when a run is resumed: how long it goes on
    kept = {k: v for k, v in recipe.to_dict().items() if k not in ("epochs", "patience")}
    facts = {"tower": source.fingerprint, "photos": fingerprint(parts), **kept}
    return Task(
        tower.pixels_to_vectors,
        loss,
        views,
        labels,
        batches,
        2 if recipe.unsupervised else 1,
        lambda: _figures(tower.pixels_to_vectors, views, parts, device),
        lambda: save_tensors(checkpoint(), out / WEIGHTS),
        Checkpoints(out / CHECKPOINTS),
        json.loads(json.dumps(facts)),
        device,
    )


def _figures(module: Any, views: Views, parts: Split, device: str) -> Figures:
    """Recall among the held-out photos: of each other by group, or of views where none has two."""
    photos, labels = flatten(parts.held_out)
    if not photos:
        return {}
    plain = embed(module, views.plain_batches(photos, EVALUATION_BATCH), device)
    if len(photos) > len(parts.held_out):
        return leave_one_out(plain, labels)
    # an epoch that no training has: the same views each time
    pictures = [
        np.stack([views.random(photo, 2**31, start + i, 0) for i, photo in enumerate(part)])
        for start in range(0, len(photos), EVALUATION_BATCH)
        if (part := photos[start : start + EVALUATION_BATCH])
    ]
    return view_recall(embed(module, pictures, device), plain)


def embed(module: Any, pictures: Any, device: str) -> NDArray[np.float32]:
    """Pictures through a tower as an index would: shape (n, dim), rows L2-normalised.

    Args:
        module: uint8 (n, side, side, 3) to (n, dim), or to a tuple that starts with them.
        pictures: batches of them.
        device: where the module is.

    Raises:
        ConfigError: the weights ran away, so that the numbers are too large.
    """
    import torch

    module.eval()
    found = []
    with torch.no_grad():
        for pixels in pictures:
            given = module(torch.from_numpy(pixels).to(device))
            found.append((given[0] if isinstance(given, tuple) else given).float().cpu().numpy())
    vectors = np.concatenate(found)
    # the squares are added up for the length
    if not np.abs(vectors).max(initial=0.0) < 1e15:
        raise ConfigError(
            "The tower's vectors are too large to be used: training ran away; start anew with a "
            "lower learning rate"
        )
    return normalise_rows(vectors)


def _write_metrics(out: Path, history: History) -> None:
    lines = [json.dumps(row, allow_nan=False) + "\n" for row in history.rows]
    write_text(out / METRICS, "".join(lines))


def _write_texts(
    outcome: Outcome, source: TowerSource, parts: Split, recipe: Recipe, about: About
) -> None:
    card = model_card(
        f"{outcome.folder.name}: a fine-tuned embedder",
        [
            outcome.verdict,
            "",
            "Held-out groups were never trained on; each of their photos, cut out as an index cuts "
            "it, searched the others, without whitening. Such a set is small and easy next to a "
            "catalogue: compare on your own rooms with `scenesearch eval` before you switch.",
            *(
                [
                    "",
                    "Only the image tower was trained, so search by text may answer less well.",
                ]
                if source.has_text
                else []
            ),
            "",
            f"Use: `scenesearch index CATALOG --config {outcome.folder / PROFILE}`, into a store "
            f"of its own: vectors of other weights do not compare.",
        ],
        {
            "Data": {
                "catalogue": about.data or "not stated",
                "licence": about.licence,
                "trained on": _counts(parts.train),
                "held out": _counts(parts.held_out),
                "photos that could not be read": len(outcome.unreadable),
            },
            "Recipe": {"started from": source.fingerprint, **recipe.to_dict()},
            "Versions": versions(),
        },
        outcome.rows,
        outcome.best,
    )
    write_text(outcome.folder / CARD, card)
    settings = dict(about.settings)
    weights = str(outcome.weights.resolve())
    settings["embedder"] = {**settings.get("embedder", {}), "weights": weights}
    said = "Written by scenesearch train; the path of the weights is absolute."
    write_text(outcome.folder / PROFILE, profile(settings, said, outcome.verdict))


def _counts(groups: Sequence[Group]) -> str:
    return f"{len(groups)} groups, {sum(len(group.photos) for group in groups)} photos"
