"""Training a detector with ultralytics' own trainer, on this machine and in one folder.

Nothing is fetched and nothing is reported; what ultralytics writes stays below the folder.
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from scenesearch.core.errors import CatalogError, ConfigError, ModelLoadError
from scenesearch.core.extras import extra
from scenesearch.models.load_errors import checkpoint_errors, one_line
from scenesearch.models.ultralytics_home import keep_home
from scenesearch.train.card import model_card, profile, versions
from scenesearch.train.checkpoint import write_json, write_text
from scenesearch.train.coco import Dataset, write_dataset

Report = Callable[[str, int, int], None]

RUN, WEIGHTS, CARD, PROFILE, FIGURES = (
    *("run", "weights.onnx", "README.md", "profile.yaml", "metrics.json"),
)
_OFF = ("sync", "clearml", "comet", "dvc", "mlflow", "raytune", "tensorboard", "wandb")
"""Settings of ultralytics under which it tells others of a run."""


@dataclass(frozen=True, slots=True)
class DetectorRecipe:
    """What decides the weights, but the photos.

    Attributes:
        model: an architecture that comes with ultralytics (``yolo26n-seg.yaml``) to start from
            nothing; else a name of the manifest, or a file.
        epochs: passes over the photos.
        batch: photos of a step.
        image_side: longest side of the network's input, pixels.
        holdout: share of a COCO file's photos that is only measured on.
        seed: of everything random.
    """

    model: str = "yolo26n-seg.yaml"
    epochs: int = 100
    batch: int = 16
    image_side: int = 640
    holdout: float = 0.2
    seed: int = 0


@dataclass(frozen=True, slots=True)
class DetectorOutcome:
    """What a run left behind.

    Attributes:
        figures: on what was held out: precision, recall, mAP50 and mAP50-95 of boxes (B) and of
            masks (M).
        notes: what was odd but harmless.
    """

    folder: Path
    figures: Mapping[str, float]
    notes: tuple[str, ...] = ()

    @property
    def weights(self) -> Path:
        """The detector as ONNX, with its class names inside."""
        return self.folder / WEIGHTS


def train_detector(
    data: Path,
    out: Path,
    recipe: DetectorRecipe,
    *,
    find: Callable[[str], Path],
    to_onnx: Callable[[Path], Path],
    image_root: Path | None = None,
    device: str = "cpu",
    licence: str = "not stated",
    resume: bool = False,
    report: Report = lambda *_: None,
) -> DetectorOutcome:
    """Train a detector, and write it as ONNX with a profile and a model card.

    Args:
        data: COCO .json, or ultralytics' own description of a data set as .yaml.
        out: everything is written below it.
        recipe: how.
        find: the file of a model's name, with its trust checked.
        to_onnx: exports a .pt; returns the .onnx.
        image_root: where file names of a COCO file start.
        device: ``cpu``, ``cuda``, ``mps``.
        licence: of the data, for the card.
        resume: go on with the run in ``out``. Its ``last.pt`` is read as the program it is, so
            only resume what you have trained.
        report: is told of each epoch.

    Raises:
        ConfigError: ``out`` holds a run already, or holds none to resume.
        CatalogError: the data cannot be read.
        ModelError: the model cannot be loaded, or ultralytics cannot train it.
    """
    last = out / RUN / "weights" / "last.pt"
    if resume and not last.is_file():
        raise ConfigError(f"{out}: no run to resume ({last} is missing); start anew without it")
    if last.exists() and not resume:
        raise ConfigError(
            f"{out}: holds a training run already; give another folder, or go on with --resume"
        )
    start = str(last) if resume else _start(recipe.model, find)
    yolo = import_yolo(out)
    notes = []
    try:
        model = yolo(start)
        if resume and (model.ckpt or {}).get("epoch", -1) < 0:
            # ultralytics takes what a run needs to go on out of a finished one, and starts anew
            raise ConfigError(
                f"{out}: its run is finished, there is nothing to resume; start from its "
                f"{RUN}/weights/best.pt in another folder"
            )
        described, written = _described(data, out, recipe, image_root, model.task)
        if written is not None and written.kept:
            notes.append(
                f"{written.kept} masks are marked as crowds, as CVAT, datumaro and supervision "
                f"mark every mask; they are trained on as objects"
            )
        if written is not None and written.skipped:
            notes.append(f"{written.skipped} annotations are crowds or have no area; left out")
        model.add_callback(
            "on_train_epoch_end",
            lambda trainer: report("train", trainer.epoch + 1, trainer.epochs),
        )
        _train(model, described, out, recipe, device, resume=resume)
    except _trainer_errors() as error:
        raise ModelLoadError(f"ultralytics cannot train {start}: {one_line(error)}") from error
    return _finish(out, recipe, to_onnx, data, written, licence, tuple(notes))


def _trainer_errors() -> tuple[type[Exception], ...]:
    # ultralytics asserts what it expects of data sets and checkpoints
    return (*checkpoint_errors(), AssertionError)


def _start(model: str, find: Callable[[str], Path]) -> str:
    if model.endswith((".yaml", ".yml")):
        return model
    path = find(model)
    if path.suffix != ".pt":
        raise ConfigError(
            f"{path}: training starts from a .pt or from an architecture (yolo26n-seg.yaml); "
            f"an exported {path.suffix} cannot be trained"
        )
    return str(path)


def import_yolo(out: Path) -> Any:
    """Ultralytics' model class, told to stay off the network and to write below ``out``.

    What the user has set by environment variables stays.
    """
    keep_home(out / "ultralytics")
    with extra("models", "Training a detector"):
        import ultralytics
    from ultralytics.utils import SETTINGS, USER_CONFIG_DIR

    logging.getLogger("ultralytics").setLevel(logging.ERROR)
    # of this process only: the user's settings file is left alone
    for name in _OFF:
        dict.__setitem__(SETTINGS, name, False)
    _bring_font(Path(USER_CONFIG_DIR))
    return ultralytics.YOLO


def _bring_font(folder: Path) -> None:
    """It looks for a font here before it would fetch one: the one that comes with matplotlib."""
    import matplotlib

    font = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"
    for name in ("Arial.ttf", "Arial.Unicode.ttf"):
        if not (folder / name).exists():
            shutil.copyfile(font, folder / name)


def _described(
    data: Path, out: Path, recipe: DetectorRecipe, image_root: Path | None, task: str
) -> tuple[Path, Dataset | None]:
    if task not in ("detect", "segment"):
        raise ConfigError(f"{recipe.model} is a model to {task}; expected one to detect or segment")
    if data.suffix.lower() != ".json":
        return _local_copy(data, out), None
    written = write_dataset(
        data,
        out / "dataset",
        image_root=image_root,
        masks=task == "segment",
        holdout=recipe.holdout,
        seed=recipe.seed,
    )
    return written.yaml, written


def _local_copy(data: Path, out: Path) -> Path:
    """A description of a data set without the address that ultralytics would fetch it from."""
    import yaml

    try:
        content = yaml.safe_load(data.read_text(encoding="utf-8"))
        described = {key: value for key, value in content.items() if key != "download"}
        described["path"] = str((data.parent / str(content.get("path", ""))).resolve())
        _ = described["train"], described["val"], described["names"]
    except (OSError, UnicodeDecodeError, yaml.YAMLError, AttributeError, KeyError) as error:
        raise CatalogError(
            f"{data}: not a data set of ultralytics: {error!r}; expected path, train, val and "
            f"names as YAML, or COCO as .json"
        ) from error
    if not Path(described["path"]).is_dir():
        raise CatalogError(
            f"{data}: its folder {described['path']} is not there, and nothing is fetched; put "
            f"the photos there, or correct path"
        )
    out.mkdir(parents=True, exist_ok=True)
    write_text(out / "data.yaml", yaml.safe_dump(described, sort_keys=False))
    return out / "data.yaml"


def _train(
    model: Any, data: Path, out: Path, recipe: DetectorRecipe, device: str, *, resume: bool
) -> None:
    import warnings

    with warnings.catch_warnings():
        # the trainer's own warnings about torch are no business of ours or our users
        warnings.simplefilter("ignore")
        model.train(
            data=str(data.resolve()),
            epochs=recipe.epochs,
            batch=recipe.batch,
            imgsz=recipe.image_side,
            device=device,
            project=str(out.resolve()),
            name=RUN,
            exist_ok=True,
            resume=resume,
            seed=recipe.seed,
            deterministic=True,
            amp=False,  # trying it out would fetch a model
            plots=False,
            workers=0 if device == "cpu" else 4,
            verbose=False,
        )


def _finish(
    out: Path,
    recipe: DetectorRecipe,
    to_onnx: Callable[[Path], Path],
    data: Path,
    written: Dataset | None,
    licence: str,
    notes: tuple[str, ...],
) -> DetectorOutcome:
    best = out / RUN / "weights" / "best.pt"
    rows = _results(out / RUN / "results.csv")
    kept = max(rows, key=lambda row: row.get("metrics/mAP50-95(B)", 0.0), default={})
    figures = {k: v for k, v in kept.items() if k.startswith("metrics/")}
    shutil.copyfile(to_onnx(best), out / WEIGHTS)
    write_json(out / FIGURES, figures)
    measured = (
        "photos that were held out"
        if written is None or written.held_out
        else ("the photos it was trained on, which says little")
    )
    counts = (
        {}
        if written is None
        else {
            "trained on": f"{written.train} photos",
            "held out": f"{written.held_out} photos",
            "boxes": written.boxes,
        }
    )
    name = "metrics/mAP50(B)"
    summary = f"mAP50 of boxes {figures.get(name, 0.0):.3f} on {measured}."
    used = f"Use: `scenesearch index CATALOG --config {out / PROFILE}`"
    facts = {
        "Data": {"file": data.name, "licence": licence, **counts},
        "Recipe": {**asdict(recipe), "trainer": "ultralytics"},
        "Versions": versions(("scenesearch", "torch", "ultralytics")),
    }
    write_text(
        out / CARD,
        model_card(
            f"{out.name}: a detector", [summary, "", used], facts, rows, int(kept.get("epoch", 0))
        ),
    )
    detector = {"model": str((out / WEIGHTS).resolve()), "image_size": recipe.image_side}
    write_text(
        out / PROFILE,
        profile({"detectors": [detector]}, "Written by scenesearch train.", summary),
    )
    return DetectorOutcome(out, figures, notes)


def _results(path: Path) -> list[dict[str, float]]:
    """Figures by epoch, from ultralytics' own table."""
    import csv

    with path.open(newline="", encoding="utf-8") as file:
        rows = [
            {key.strip(): float(value) for key, value in row.items() if "lr/" not in key}
            for row in csv.DictReader(file)
        ]
    # an epoch that was in the table and not yet in the checkpoint is there twice after a resume
    return list({row["epoch"]: row for row in rows}.values())
