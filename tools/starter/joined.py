"""Two heads on one trunk as one .onnx: ``python -m tools.starter.joined``.

Everything below the last stage of ``home-lite0-clip`` is ImageNet's EfficientNet-Lite0, as it was.
One pass of it is enough for both last stages: the one that was trained on pictures and words of
home things, and ImageNet's own with its classes. A vector is the one's and then the other's, each
of length 1; the text tower's is followed by zeros, so that texts are compared with the first.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

from scenesearch.models.embed.onnx_export import export
from scenesearch.models.embed.onnx_text import text_files
from scenesearch.models.embed.open_clip_tower import OpenClipTower
from scenesearch.models.embed.timm_tower import TimmTower
from scenesearch.models.embed.tower import TextExport, Tower
from scenesearch.models.weights import WeightFinder, Weights, sha256_of
from tools.starter.export import halve

LAST = 6
"""The stage from which on each head has its own."""


class Joined:
    """A ``TowerSource`` of both.

    Args:
        clip: config and checkpoint of the image-text model.
    """

    has_text = True
    exported = None

    def __init__(self, config: Path, clip: Path) -> None:
        self._clip = OpenClipTower(str(config), Weights(clip, sha256_of(clip)))
        imagenet = WeightFinder(None).find("tf_efficientnet_lite0")
        self._imagenet = TimmTower(
            "tf_efficientnet_lite0", imagenet, layer="blocks", pooling="gem", side=self._clip.side
        )
        self.fingerprint = f"{self._clip.fingerprint}+{self._imagenet.fingerprint}"
        self.side = self._clip.side
        self.dim = self._clip.dim + self._imagenet.dim
        self.classes = self._imagenet.classes

    def load(self) -> Tower:
        """Both, with the trunk of the second."""
        import torch

        clip, imagenet = self._clip.load(), self._imagenet.load()
        trained = clip.pixels_to_vectors.visual
        own = imagenet.pixels_to_vectors
        net = own.backbone
        unit = torch.nn.functional.normalize
        behind = self._imagenet.dim

        class PixelsToVectors(torch.nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.net, self.trained = net, trained

            def forward(self, pixels: Any) -> Any:  # (n, side, side, 3) uint8
                x = (pixels.permute(0, 3, 1, 2).float() - own.mean) / own.std
                x = self.net.bn1(self.net.conv_stem(x))
                for stage in self.net.blocks[:LAST]:
                    x = stage(x)
                maps = self.net.blocks[LAST](x)
                final = self.net.bn2(self.net.conv_head(maps))
                trunk = self.trained.trunk
                seen = trunk.bn2(trunk.conv_head(trunk.blocks[LAST](x)))
                vectors = self.trained.head(trunk.forward_head(seen))
                both = torch.cat([unit(vectors), unit(own.pooled(maps))], dim=1)
                return both, self.net.forward_head(final).softmax(dim=1)

        class IdsToVectors(torch.nn.Module):
            def __init__(self, text: Any) -> None:
                super().__init__()
                self.text = text

            def forward(self, ids: Any) -> Any:  # (n, context) int64
                return torch.nn.functional.pad(unit(self.text(ids)), (0, behind))

        assert clip.text is not None
        assert own.mean.flatten().tolist() == [127.5] * 3 == own.std.flatten().tolist()
        words = TextExport(IdsToVectors(clip.text.ids_to_vectors).eval(), clip.text.tokenizer)
        return replace(clip, pixels_to_vectors=PixelsToVectors().eval(), text=words)


def main() -> None:
    """Export."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", type=Path, default=Path("models/home-lite0-clip.json"))
    parser.add_argument("--clip", type=Path, default=Path("models/home-lite0-clip.safetensors"))
    parser.add_argument("--out", type=Path, default=Path("models/home-lite0.onnx"))
    wanted = parser.parse_args()
    source = Joined(wanted.config, wanted.clip)
    export(source, source.load(), wanted.out)
    text, words = text_files(wanted.out)
    halve(text, text)
    for path in (wanted.out, text, words):
        print(f"{path}: {path.stat().st_size / 1e6:.1f} MB, sha256 {sha256_of(path)}")


if __name__ == "__main__":
    main()
