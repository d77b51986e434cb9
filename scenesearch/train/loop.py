"""The training loop: epochs of steps, an evaluation after each, a checkpoint after that.

Nothing random is carried from one epoch to the next: order, views and torch's own generator are
functions of the seed and the epoch. So a run that was resumed is the run it would have been.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from scenesearch.core.errors import ConfigError, ModelLoadError
from scenesearch.models.load_errors import one_line
from scenesearch.train.checkpoint import (
    Checkpoints,
    optimizer_tensors,
    restore_optimizer,
    under,
)
from scenesearch.train.losses import Loss
from scenesearch.train.recipe import Recipe, rate_at
from scenesearch.train.samplers import mixed
from scenesearch.train.views import Views

Report = Callable[[str, int, int], None]
"""Stage, steps done, steps of the run."""
Figures = dict[str, float]

KEYS = ("recall@1", "recall@5", "map")
"""What one epoch is better by than another, in this order."""


@dataclass(frozen=True, slots=True)
class Task:
    """One run, ready to go.

    Attributes:
        module: uint8 (n, side, side, 3) to (n, dim), or to a tuple that starts with them.
        loss: of labelled vectors.
        views: the pictures.
        labels: the product of each training photo.
        batches: of an epoch: numbers of photos.
        draws: views of each photo in a batch.
        evaluate: figures of the tower as it is; empty where nothing is held out.
        keep: writes the tower's weights.
        checkpoints: where the run is kept.
        facts: what must be the same to resume.
        device: where the module is.
    """

    module: Any
    loss: Loss
    views: Views
    labels: Sequence[int]
    batches: Callable[[int], list[list[int]]]
    draws: int
    evaluate: Callable[[], Figures]
    keep: Callable[[], None]
    checkpoints: Checkpoints
    facts: Mapping[str, Any]
    device: str = "cpu"


@dataclass(slots=True)
class History:
    """How a run went.

    Attributes:
        rows: one an epoch, the first (epoch 0) before training.
        best: the epoch whose weights are kept.
    """

    rows: list[dict[str, Any]] = field(default_factory=list)
    best: int = 0

    def figures(self, epoch: int) -> tuple[float, ...]:
        """What epochs are compared by."""
        return tuple(self.rows[epoch].get(key, 0.0) for key in KEYS)


def run(
    task: Task,
    recipe: Recipe,
    *,
    resume: bool = False,
    report: Report = lambda *_: None,
    each: Callable[[History], None] = lambda _: None,
) -> History:
    """Train until the epochs are over, or patience is; to be called under :func:`deterministic`.

    Args:
        task: what is trained, on what.
        recipe: how.
        resume: go on from the last checkpoint.
        report: is told of each step.
        each: is called with the history after each epoch.

    Raises:
        ModelLoadError: the checkpoint is of another run.
        ConfigError: the loss is no longer a number.
    """
    import torch

    parameters = trainable(task.module, recipe.freeze)
    groups = [{"params": list(parameters.values()), "lr": recipe.learning_rate}]
    if task.loss.parameters():
        groups.append({"params": task.loss.parameters(), "lr": recipe.proxy_learning_rate})
    optimizer = torch.optim.AdamW(groups, weight_decay=recipe.weight_decay)
    if resume:
        history, done = _restore(task, optimizer)
    else:
        history, done = History([{"epoch": 0, **task.evaluate()}]), 0
        task.keep()
    each(history)
    for epoch in range(done, recipe.epochs):
        if recipe.patience and epoch - history.best >= recipe.patience:
            break
        row = _epoch(task, recipe, optimizer, epoch, report)
        history.rows.append({**row, **task.evaluate()})
        last = epoch + 1
        compared = recipe.keep == "best" and "recall@1" in history.rows[0]
        if not compared or history.figures(last) > history.figures(history.best):
            history.best = last
            task.keep()
        _save(task, optimizer, history)
        each(history)
    return history


def _epoch(
    task: Task, recipe: Recipe, optimizer: Any, epoch: int, report: Report
) -> dict[str, Any]:
    import torch

    torch.manual_seed(mixed(recipe.seed, epoch))
    _train_mode(task.module, batch_norm=recipe.train_batch_norm)
    batches = task.batches(epoch)
    labels = np.asarray(task.labels)
    sums: dict[str, float] = {}
    start = time.perf_counter()
    highest = [recipe.learning_rate, recipe.proxy_learning_rate]
    # of every epoch there are as many
    steps = len(batches) * recipe.epochs
    pictures = task.views.batches(batches, epoch, draws=task.draws)
    for number, (batch, pixels) in enumerate(zip(batches, pictures, strict=True)):
        step = epoch * len(batches) + number
        for group, rate in zip(optimizer.param_groups, highest, strict=False):
            group["lr"] = rate * rate_at(step, steps, recipe)
        found = task.module(torch.from_numpy(pixels).to(task.device))
        vectors = found[0] if isinstance(found, tuple) else found  # (draws * n, dim)
        of_views = torch.from_numpy(np.tile(labels[batch], task.draws)).to(task.device)
        total, parts = task.loss(vectors, of_views)
        value = float(total.detach())
        if not math.isfinite(value):
            raise ConfigError(
                f"The loss is {value} in epoch {epoch + 1}, step {number + 1}; expected a number: "
                f"lower the learning rate ({recipe.learning_rate:g}), and resume or start anew"
            )
        optimizer.zero_grad(set_to_none=True)
        total.backward()
        optimizer.step()
        for name, part in {"loss": value, **{f"loss_{k}": v for k, v in parts.items()}}.items():
            sums[name] = sums.get(name, 0.0) + part / len(batches)
        report("train", step + 1, steps)
    task.module.eval()
    seconds = time.perf_counter() - start
    return {"epoch": epoch + 1, **sums, "steps": len(batches), "seconds": round(seconds, 2)}


def _train_mode(module: Any, *, batch_norm: bool) -> None:
    import torch

    module.train()
    if not batch_norm:
        # a few pictures of a few products are no sample to take statistics of
        for part in module.modules():
            if isinstance(part, torch.nn.modules.batchnorm._BatchNorm):
                part.eval()


def _save(task: Task, optimizer: Any, history: History) -> None:
    tensors = {f"module.{k}": t for k, t in task.module.state_dict().items()}
    tensors |= {f"loss.{k}": t for k, t in task.loss.state().items()}
    tensors |= {f"optimizer.{k}": t for k, t in optimizer_tensors(optimizer).items()}
    facts = {"run": dict(task.facts), "best": history.best, "history": history.rows}
    task.checkpoints.save(history.rows[-1]["epoch"], tensors, facts)


def _restore(task: Task, optimizer: Any) -> tuple[History, int]:
    done, tensors, facts = task.checkpoints.load()
    was = dict(facts.get("run", {}))
    other = [name for name in {**was, **task.facts} if was.get(name) != task.facts.get(name)]
    if other:
        changed = "; ".join(
            f"{name} was {was.get(name)!r} and is {task.facts.get(name)!r}" for name in other
        )
        raise ModelLoadError(
            f"The checkpoint is of another run: {changed}; expected the same, or start anew in "
            f"another folder",
            code="other_run",
        )
    try:
        task.module.load_state_dict(under("module", tensors))
        task.loss.restore(under("loss", tensors))
        restore_optimizer(optimizer, under("optimizer", tensors))
    except (RuntimeError, KeyError, ValueError) as error:
        raise ModelLoadError(
            f"The checkpoint does not fit this tower: {one_line(error)}; start anew"
        ) from error
    return History([dict(row) for row in facts["history"]], int(facts["best"])), done


@contextmanager
def deterministic(device: str) -> Iterator[None]:
    """On a CPU only algorithms that give the same numbers each time; afterwards all is as before.

    A GPU's would also need an environment variable that has to be set before torch starts.
    """
    import torch

    before = torch.are_deterministic_algorithms_enabled()
    state = torch.get_rng_state()
    if device == "cpu":
        torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before)
        torch.set_rng_state(state)


def trainable(module: Any, freeze: int | tuple[str, ...]) -> dict[str, Any]:
    """Freeze a part of a tower, and say what is left.

    Args:
        module: ``pixels_to_vectors`` of a tower.
        freeze: how many stages from the input stay as they are, or prefixes of names of
            parameters (of the tower's file: ``conv_stem``, ``blocks.0``).

    Returns:
        The parameters that are trained, by name.

    Raises:
        ConfigError: nothing is left, a prefix names nothing, or this tower has no stages.
    """
    named = dict(module.named_parameters())
    frozen = _first_stages(module, freeze) if isinstance(freeze, int) else _named(named, freeze)
    for name, parameter in named.items():
        parameter.requires_grad_(name not in frozen)
    left = {name: parameter for name, parameter in named.items() if name not in frozen}
    if not left:
        raise ConfigError(
            f"freeze {freeze!r} leaves nothing to train of {len(named)} parameters; freeze less"
        )
    return left


def _named(named: dict[str, Any], prefixes: tuple[str, ...]) -> set[str]:
    frozen: set[str] = set()
    for prefix in prefixes:
        # the file's names lie under the attribute that holds the model
        found = {
            name
            for name in named
            if f"{name}.".startswith(f"{prefix}.")
            or f"{name.partition('.')[2]}.".startswith(f"{prefix}.")
        }
        if not found:
            first = ", ".join(dict.fromkeys(".".join(name.split(".")[1:3]) for name in named))
            raise ConfigError(
                f"freeze {prefix!r}: no parameter has that prefix; there are: {first}"
            )
        frozen |= found
    return frozen


def _first_stages(module: Any, count: int) -> set[str]:
    if count == 0:
        return set()
    stages = _stages(module)
    if count < 0 or count >= len(stages):
        raise ConfigError(
            f"freeze {count}: this tower has {len(stages)} stages, expected 0 to {len(stages) - 1}"
        )
    return {name for stage in stages[:count] for name in stage}


def _stages(module: Any) -> list[list[str]]:
    """Names of parameters by stage, from the input on.

    timm architectures say what their stages are; a transformer of open_clip has its layers.
    """
    from timm.models import group_parameters

    for start, model in (
        ("backbone.", getattr(module, "backbone", None)),
        ("visual.trunk.", getattr(getattr(module, "visual", None), "trunk", None)),
    ):
        matcher = getattr(model, "group_matcher", None)
        if matcher is not None:
            stages = group_parameters(model, matcher(coarse=True))
            return [[start + name for name in names] for _, names in sorted(stages.items())]
    layers = getattr(getattr(getattr(module, "visual", None), "transformer", None), "resblocks", ())
    if not len(layers):
        raise ConfigError(
            "freeze: this tower does not say what its stages are; give prefixes of names instead"
        )
    names = [name for name, _ in module.named_parameters()]
    start = "visual.transformer.resblocks."
    of_layers = [[n for n in names if n.startswith(f"{start}{i}.")] for i in range(len(layers))]
    before = ("conv1", "class_embedding", "positional_embedding", "ln_pre", "patch")
    stem = [n for n in names if n.removeprefix("visual.").startswith(before)]
    rest = set(names) - set(stem) - {name for layer in of_layers for name in layer}
    return [stem, *of_layers, sorted(rest)]
