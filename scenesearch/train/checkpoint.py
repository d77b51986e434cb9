"""A training run on disk: tensors as .safetensors, everything else as JSON, never a program.

After each epoch a folder of its own is written, and then the one small file that names it is
replaced, so a run that is killed at any moment goes on from the last epoch that was finished.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from scenesearch.core.errors import ModelLoadError
from scenesearch.models.load_errors import checkpoint_errors, one_line
from scenesearch.system.whole_file import write_whole

POINTER = "latest.json"


class Checkpoints:
    """The checkpoints of one run; only the last is kept.

    Args:
        folder: of the checkpoints; made with the first.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @property
    def exist(self) -> bool:
        """Whether there is anything to go on from."""
        return (self._folder / POINTER).is_file()

    def save(self, epoch: int, tensors: Mapping[str, Any], facts: Mapping[str, Any]) -> None:
        """Keep a checkpoint; the one before it is removed once this one is safe.

        Args:
            epoch: epochs that were finished.
            tensors: by name.
            facts: JSON values.
        """
        name = f"epoch-{epoch:05}"
        folder = self._folder / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        save_tensors(tensors, folder / "state.safetensors")
        write_json(folder / "state.json", {"epoch": epoch, **facts})
        write_json(self._folder / POINTER, {"checkpoint": name})
        for other in self._folder.glob("epoch-*"):
            if other.name != name:
                shutil.rmtree(other, ignore_errors=True)

    def load(self) -> tuple[int, dict[str, Any], dict[str, Any]]:
        """The last checkpoint: epochs that were finished, tensors by name, and facts.

        Raises:
            ModelLoadError: there is none, or it cannot be read.
        """
        try:
            name = json.loads((self._folder / POINTER).read_text(encoding="utf-8"))["checkpoint"]
            folder = self._folder / Path(str(name)).name
            facts = json.loads((folder / "state.json").read_text(encoding="utf-8"))
            tensors = load_tensors(folder / "state.safetensors")
            return int(facts.pop("epoch")), tensors, facts
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise ModelLoadError(
                f"{self._folder}: no checkpoint to resume from: {one_line(error)}; start anew "
                f"without --resume"
            ) from error


def save_tensors(tensors: Mapping[str, Any], path: Path) -> None:
    """Write tensors, whole or not at all."""
    from safetensors.torch import save

    # a copy each: the format refuses tensors that share memory
    copies = {k: t.detach().cpu().contiguous().clone() for k, t in tensors.items()}
    write_whole(path, save(copies))


def load_tensors(path: Path) -> dict[str, Any]:
    """Tensors by name, on the CPU.

    Raises:
        ModelLoadError: the file cannot be read.
    """
    from safetensors.torch import load_file

    try:
        return dict(load_file(path))
    except checkpoint_errors() as error:
        raise ModelLoadError(
            f"{path}: not a readable .safetensors: {one_line(error)}; start anew without --resume"
        ) from error


def write_json(path: Path, value: Any) -> None:
    """Write JSON, whole or not at all."""
    write_text(path, json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n")


def write_text(path: Path, text: str) -> None:
    """Write a text, whole or not at all."""
    write_whole(path, text.encode())


def optimizer_tensors(optimizer: Any) -> dict[str, Any]:
    """What an optimizer remembers of each parameter, as tensors by name."""
    import torch

    state = optimizer.state_dict()["state"]
    return {
        f"{number}.{name}": value if isinstance(value, torch.Tensor) else torch.tensor(value)
        for number, memory in state.items()
        for name, value in memory.items()
    }


def restore_optimizer(optimizer: Any, tensors: Mapping[str, Any]) -> None:
    """Take what :func:`optimizer_tensors` gave, for the same parameters in the same order."""
    state: dict[int, dict[str, Any]] = {}
    for key, tensor in tensors.items():
        number, _, name = key.partition(".")
        state.setdefault(int(number), {})[name] = tensor
    groups = optimizer.state_dict()["param_groups"]
    optimizer.load_state_dict({"state": state, "param_groups": groups})


def under(prefix: str, tensors: Mapping[str, Any]) -> dict[str, Any]:
    """The tensors whose names start with ``prefix.``, without it."""
    start = f"{prefix}."
    return {k.removeprefix(start): t for k, t in tensors.items() if k.startswith(start)}
