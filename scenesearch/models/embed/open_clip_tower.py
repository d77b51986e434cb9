"""open_clip models: image and text towers, from this machine or, when allowed, from a hub."""

from __future__ import annotations

import hashlib
import importlib.util
import json
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scenesearch.core.errors import ConfigError, ModelLoadError
from scenesearch.core.extras import extra
from scenesearch.models.embed.clip_words import as_json
from scenesearch.models.embed.hub_words import hub_tokenizer, numbers_of
from scenesearch.models.embed.tower import TextExport, Tower
from scenesearch.models.load_errors import checkpoint_errors, one_line
from scenesearch.models.weights import Weights

_DEFAULT_SIDE = 224
"""open_clip's own, of a config that names none."""


class OpenClipTower:
    """An open_clip model by name, or by a config file of ours, with its weights.

    Args:
        model: a built-in name (``ViT-B-32``), ``hf-hub:org/repo``, or the path of a model config
            (``.json``: an open_clip model config, or one with ``model_cfg`` and
            ``preprocess_cfg``).
        weights: checkpoint on this machine, or None to take ``tag`` from the hub.
        tag: open_clip's pretrained tag; used only when ``weights`` is None.
        side: pixels of the square input, or 0 for what the config says.
    """

    has_text = True
    classes = 0

    def __init__(
        self, model: str, weights: Weights | None, *, tag: str | None = None, side: int = 0
    ) -> None:
        self._model = model
        self._weights = weights
        self._tag = tag
        self._side = side

    @cached_property
    def _config(self) -> dict[str, Any]:
        """The model config, read without importing open_clip (which imports torch)."""
        if self._model.startswith("hf-hub:"):
            return {}
        path = Path(self._model)
        if path.suffix != ".json":
            spec = importlib.util.find_spec("open_clip")
            roots = (spec.submodule_search_locations or []) if spec else []
            path = Path(next(iter(roots), ".")) / "model_configs" / f"{self._model}.json"
        try:
            config: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            model = config.get("model_cfg", config)
            _ = model["embed_dim"], model["vision_cfg"], model["text_cfg"]
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise ConfigError(
                f"open_clip model {self._model!r}: no readable model config at {path}; give a "
                f"built-in name, hf-hub:org/repo, or the path of a .json config"
            ) from error
        return config

    @property
    def exported(self) -> Path | None:
        """The weights, where they are an .onnx."""
        path = self._weights.path if self._weights else None
        return path if path is not None and path.suffix == ".onnx" else None

    @property
    def fingerprint(self) -> str:
        """Model (of a config of ours: with its content), weights and input size."""
        weights = self._weights.fingerprint if self._weights else f"hub:{self._tag}"
        name = self._model
        if name.endswith(".json"):
            text = json.dumps(self._config, sort_keys=True)
            name = f"{Path(name).stem}#{hashlib.sha256(text.encode()).hexdigest()[:8]}"
        fitted = ":stretched" if self.stretched else ""
        return f"open_clip:{name}:{weights}:{self._side or 'own'}px{fitted}"

    @cached_property
    def stretched(self) -> bool:
        """As the config says of how pictures are resized."""
        preprocess = self._config.get("preprocess_cfg") or {}
        return bool(preprocess.get("resize_mode") == "squash")

    @cached_property
    def _words(self) -> str | None:
        """The hub's tokenizer as JSON, where it lies beside the weights."""
        text = self._config.get("model_cfg", self._config).get("text_cfg", {})
        if self._weights is None or not text.get("hf_tokenizer_name"):
            return None
        return hub_tokenizer(self._weights.path.parent, text)

    @cached_property
    def dim(self) -> int:
        """From the config; a hub model has to be loaded to know."""
        if not self._config:
            return int(self._loaded.visual.output_dim)
        return int(self._config.get("model_cfg", self._config)["embed_dim"])

    @cached_property
    def side(self) -> int:
        """Pixels of the square input."""
        if self._side:
            return self._side
        if not self._config:
            size = self._loaded.visual.image_size
        else:
            vision = self._config.get("model_cfg", self._config)["vision_cfg"]
            size = vision.get("image_size", _DEFAULT_SIDE)
        return int(size if isinstance(size, int) else size[0])

    @cached_property
    def _loaded(self) -> Any:
        with extra("models", f"{self.fingerprint}: an open_clip model that is not exported"):
            import open_clip

        pretrained = str(self._weights.checkpoint) if self._weights else self._tag
        preprocess = self._config.get("preprocess_cfg", {})
        try:
            return open_clip.create_model_from_pretrained(
                self._known_as(open_clip),
                pretrained=None if self._model.startswith("hf-hub:") else pretrained,
                force_image_size=self._side or None,
                image_mean=preprocess.get("mean"),
                image_std=preprocess.get("std"),
                return_transform=False,
            )
        except checkpoint_errors() as error:
            raise ModelLoadError(
                f"open_clip model {self._model!r} with {pretrained or 'hub'} weights cannot be "
                f"loaded: {one_line(error)}; give the checkpoint that belongs to this model"
            ) from error

    def _known_as(self, open_clip: Any) -> str:
        """The model's name to open_clip, which reads configs only from files by name."""
        import tempfile

        if not self._model.endswith(".json"):
            return self._model
        name = f"scenesearch-{Path(self._model).stem}"
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / f"{name}.json"
            config = self._config.get("model_cfg", self._config)
            path.write_text(json.dumps(config), encoding="utf-8")
            open_clip.add_model_config(path)
        return name

    def load(self) -> Tower:
        """Both towers."""
        model = self._loaded.eval()
        import open_clip
        import torch

        # known from here on without the model, which is then the tower's alone and goes with it
        _ = self.dim, self.side
        del self._loaded
        preprocess = open_clip.get_model_preprocess_cfg(model)
        words = self._words
        if words is None:
            # a hub's own, which needs another library and the network
            tokenizer = open_clip.get_tokenizer(self._known_as(open_clip))
            words, numbered = as_json(tokenizer), tokenizer
        else:
            numbered = numbers_of(words)

        class PixelsToVectors(torch.nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.visual = model.visual
                self.register_buffer(
                    "pixel_mean", torch.tensor(preprocess["mean"]).view(1, 3, 1, 1)
                )
                self.register_buffer("pixel_std", torch.tensor(preprocess["std"]).view(1, 3, 1, 1))

            def forward(self, pixels: Any) -> Any:  # (n, side, side, 3) uint8
                x = pixels.permute(0, 3, 1, 2).float() / 255
                return self.visual((x - self.pixel_mean) / self.pixel_std)  # (n, dim)

        class IdsToVectors(torch.nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.model = model

            def forward(self, ids: Any) -> Any:  # (n, context) int64
                return self.model.encode_text(ids)  # (n, dim)

        def encode_text(texts: Sequence[str]) -> NDArray[np.float32]:
            with torch.inference_mode():
                ids = torch.as_tensor(numbered(list(texts)))
                vectors: NDArray[np.float32] = model.encode_text(ids).numpy()
            return vectors

        text = None if words is None else TextExport(IdsToVectors().eval(), words)
        return Tower(PixelsToVectors().eval(), encode_text, text, model.state_dict)
