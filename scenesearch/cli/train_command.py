"""``scenesearch train embedder|detector``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from scenesearch.cli import options, output
from scenesearch.cli.app import app

if TYPE_CHECKING:
    from scenesearch.config.settings import Settings
    from scenesearch.train.embedder import Outcome
    from scenesearch.train.groups import Group

train = typer.Typer(
    help="Fine-tune the models on your own products: docs/training.md.", no_args_is_help=True
)
app.add_typer(train, name="train")

Out = Annotated[Path, typer.Option("--out", "-o", help="Folder for weights, card and figures.")]
Resume = Annotated[bool, typer.Option("--resume", help="Go on with the run in --out.")]
Device = Annotated[str | None, typer.Option("--device", help="cpu, cuda, mps; of the profile.")]
Seed = Annotated[int, typer.Option("--seed", min=0, help="Of everything random.")]
Licence = Annotated[str, typer.Option("--licence", help="Of the data, for the model card.")]


@train.command()
def embedder(
    catalog: Annotated[
        Path, typer.Argument(help="CSV, JSONL, Parquet, or a folder; photos of an item: a group.")
    ],
    out: Out,
    config: options.Config = None,
    image_root: options.ImageRoot = None,
    scenes: Annotated[
        Path | None,
        typer.Option(help="JSONL of photos with boxes of items: crops join their item's group."),
    ] = None,
    group_field: Annotated[
        str | None, typer.Option(help="Items with one value of this field are one group.")
    ] = None,
    family_field: Annotated[
        str | None, typer.Option(help="Groups with one value of it are held out together.")
    ] = None,
    loss: Annotated[
        list[str] | None,
        typer.Option("--loss", help="NAME or NAME=WEIGHT, repeatable; multi_similarity."),
    ] = None,
    epochs: Annotated[int, typer.Option(help="Passes over the photos.")] = 10,
    per_product: Annotated[int, typer.Option(help="Pictures of a product in a batch.")] = 4,
    batch: Annotated[int, typer.Option(help="Pictures of a step.")] = 32,
    rate: Annotated[float, typer.Option("--lr", help="Highest learning rate.")] = 1e-4,
    freeze: Annotated[
        list[str] | None,
        typer.Option("--freeze", help="Stages from the input to keep, or PREFIX; repeatable."),
    ] = None,
    image_side: Annotated[
        int | None, typer.Option(help="Pixels of the tower's input; of the profile.")
    ] = None,
    holdout: Annotated[float, typer.Option(help="Share of the groups never trained on.")] = 0.2,
    keep: Annotated[str, typer.Option(help="best: on what is held out; or last.")] = "best",
    patience: Annotated[
        int, typer.Option(help="Stop after so many epochs without a better one; 0: never.")
    ] = 0,
    seed: Seed = 0,
    device: Device = None,
    workers: Annotated[int, typer.Option(min=1, help="Threads that prepare photos.")] = 2,
    unsupervised: Annotated[
        bool, typer.Option("--unsupervised", help="Learn from two views of each photo (SimCLR).")
    ] = False,
    licence: Licence = "not stated",
    resume: Resume = False,
    as_json: options.Json = False,
) -> int:
    """Fine-tune the embedder on groups of photos of one product."""
    from scenesearch.models.cutout.cutter import CutRules
    from scenesearch.models.weights import WeightFinder
    from scenesearch.train.embedder import About, train_embedder
    from scenesearch.train.recipe import Recipe, parse_freeze, parse_losses
    from scenesearch.train.subjects import Subjects
    from scenesearch.wiring import build_remover, build_tower, scene_loader

    recipe = Recipe(
        losses=parse_losses(loss or ()),
        epochs=epochs,
        batch=batch,
        per_product=per_product,
        learning_rate=rate,
        freeze=parse_freeze(freeze or ()),
        holdout=holdout,
        keep=keep,  # type: ignore[arg-type]  # the recipe checks it
        patience=patience,
        seed=seed,
        unsupervised=unsupervised,
    )
    settings = _settings(config, image_side)
    groups, data = _groups(catalog, image_root, scenes, group_field, family_field)
    finder = WeightFinder(settings.weights_dir, settings.trusted_sha256)
    tower = build_tower(settings, finder)
    cut = settings.cutout
    rules = CutRules(cut.background, cut.min_share, cut.max_share, cut.context_padding)
    remover = build_remover(settings, finder)
    subjects = Subjects(scene_loader(settings), rules, tower.side, remover=remover)
    with output.progress() as progress:
        outcome = train_embedder(
            tower,
            groups,
            subjects,
            recipe,
            out,
            about=About(data, licence, _profile(settings)),
            device=device or settings.embedder.device,
            workers=min(workers, os.cpu_count() or 1),
            resume=resume,
            report=progress,
        )
    if as_json:
        output.data(
            {
                "folder": str(outcome.folder),
                "weights": str(outcome.weights),
                "best_epoch": outcome.best,
                "verdict": outcome.verdict,
                "epochs": [dict(row) for row in outcome.rows],
                "unreadable": [{"photo": p, "reason": why} for p, why in outcome.unreadable],
                "notes": list(outcome.notes),
            }
        )
    else:
        _print_embedder(outcome)
    return 3 if outcome.unreadable else 0


def _settings(config: str | None, image_side: int | None) -> Settings:
    from scenesearch.config.settings import EmbedderSettings, load_settings
    from scenesearch.core.errors import ConfigError

    settings = load_settings(config)
    if image_side is None:
        return settings
    if settings.embedder.kind != "timm":
        raise ConfigError(
            f"--image-side {image_side}: an open_clip model's input has the size of its config; "
            f"leave the option out"
        )
    changed = {**settings.embedder.model_dump(), "image_size": image_side}
    return settings.model_copy(update={"embedder": EmbedderSettings(**changed)})


def _profile(settings: Settings) -> dict[str, Any]:
    """What the profile of the trained weights says beside them."""
    left_out = {"models_dir", "cache_dir", "qdrant_api_key"}
    values = settings.model_dump(mode="json", exclude_defaults=True, exclude=left_out)
    own = ("kind", "model", "layer", "pooling", "image_size")
    embedder = settings.embedder.model_dump(mode="json", include=set(own))
    if Path(embedder["model"]).is_file():
        embedder["model"] = str(Path(embedder["model"]).resolve())
    values["embedder"] = {**embedder, **values.get("embedder", {}), "model": embedder["model"]}
    return values


def _groups(
    catalog: Path,
    image_root: Path | None,
    scenes: Path | None,
    group_field: str | None,
    family_field: str | None,
) -> tuple[tuple[Group, ...], str]:
    from scenesearch.catalog import read_catalog
    from scenesearch.train.groups import make_groups, read_crops

    read = read_catalog(catalog, image_root=image_root).read_all()
    for bad in read.errors[: output.SHOWN]:
        output.note(f"row {bad.row}: {bad.message}")
    crops = read_crops(scenes, image_root=image_root) if scenes else {}
    missing = len(crops.keys() - {item.id for item in read.items})
    if missing:
        output.note(f"note: {missing} items of {scenes} are not in the catalogue")
    groups = make_groups(read.items, crops, group_field=group_field, family_field=family_field)
    used = f" and crops of {scenes.name}" if scenes else ""
    return groups, f"{catalog.name}, {len(read.items)} items{used}"


def _print_embedder(outcome: Outcome) -> None:
    for photo, why in outcome.unreadable[: output.SHOWN]:
        output.note(f"{photo}: {why}")
    output.remarks(outcome.notes)
    for row in outcome.rows:
        shown = {k: v for k, v in row.items() if k in ("loss", "recall@1", "recall@5", "map")}
        figures = "  ".join(f"{name} {value:.3f}" for name, value in shown.items())
        output.line(f"epoch {row['epoch']:>3}  {figures}")
    output.line(outcome.verdict)
    output.line(f"weights, profile.yaml and model card: {outcome.folder}")


@train.command()
def detector(
    data: Annotated[Path, typer.Argument(help="COCO .json, or a data .yaml of ultralytics.")],
    out: Out,
    model: Annotated[
        str,
        typer.Option(help="yolo26n-seg.yaml: from scratch; a name of the manifest, or a file."),
    ] = "yolo26n-seg.yaml",
    image_root: Annotated[
        Path | None, typer.Option(help="Where file names of a COCO .json start; its folder.")
    ] = None,
    epochs: Annotated[int, typer.Option(min=1, help="Passes over the photos.")] = 100,
    batch: Annotated[int, typer.Option(min=1, help="Photos of a step.")] = 16,
    image_side: Annotated[int, typer.Option(min=32, help="Pixels of the longest side.")] = 640,
    holdout: Annotated[
        float, typer.Option(help="Share of a COCO's photos that is only measured on.")
    ] = 0.2,
    seed: Seed = 0,
    device: Device = None,
    licence: Licence = "not stated",
    resume: Resume = False,
    as_json: options.Json = False,
) -> int:
    """Fine-tune or train a detector, with ultralytics' own trainer."""
    from scenesearch.config.settings import load_settings
    from scenesearch.models.weights import WeightFinder
    from scenesearch.train.detector import DetectorRecipe, train_detector
    from scenesearch.wiring import export_detector

    settings = load_settings(None)
    finder = WeightFinder(settings.weights_dir, settings.trusted_sha256)
    recipe = DetectorRecipe(model, epochs, batch, image_side, holdout, seed)
    with output.progress() as progress:
        outcome = train_detector(
            data,
            out,
            recipe,
            find=lambda name: finder.find(name).path,
            to_onnx=lambda weights: export_detector(weights, out / "run", image_side),
            image_root=image_root,
            device=device or settings.embedder.device,
            licence=licence,
            resume=resume,
            report=progress,
        )
    if as_json:
        output.data(
            {
                "folder": str(outcome.folder),
                "weights": str(outcome.weights),
                "figures": dict(outcome.figures),
                "notes": list(outcome.notes),
            }
        )
    else:
        output.remarks(outcome.notes)
        for name, value in outcome.figures.items():
            output.line(f"{name:<24} {value:.3f}")
        output.line(f"weights, profile.yaml and model card: {outcome.folder}")
    return 0
