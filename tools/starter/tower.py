"""The image tower's upper end: its last stage, what is made of that, and where training begins.

open_clip offers what comes after the layer that follows the last stage, and search with ImageNet's
tower is better by the last stage itself: so that layer is replaced by one that passes it on.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from scenesearch.models.embed.tower import normalise_rows

QUANTILES = (0.8, 0.95, 0.99)
BATCH = 256


def keep_blocks(trunk: Any, maps: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Make the layer after the last stage pass that on, instead of ImageNet's 1,280 mixtures.

    Its 1,280 units become four for each of the stage's 320 channels: the channel, and what of it is
    above three of its quantiles.

    Args:
        trunk: timm's model; its ``conv_head`` and ``bn2`` are replaced.
        maps: of training pictures before the last stage, (n, 192, 7, 7), to take quantiles from.

    Returns:
        Scale of each channel, so that ReLU6 cuts nothing, (320,); and the four levels of each,
        (4, 320). A unit is ``scale * (channel - level)``, 0 to 6.
    """
    import torch

    with torch.inference_mode():
        rows = last_stage(trunk, maps[:: max(1, len(maps) // 400)]).numpy()
    rows = np.maximum(rows.transpose(1, 0, 2, 3).reshape(rows.shape[1], -1), 0)
    levels = np.concatenate([np.zeros((1, len(rows))), np.quantile(rows, QUANTILES, axis=1)])
    scale = 5.5 / np.maximum(rows.max(axis=1), 0.5)
    with torch.no_grad():
        trunk.conv_head.weight.zero_()
        for level in range(len(levels)):
            for channel in range(len(rows)):
                unit = level * len(rows) + channel
                trunk.conv_head.weight[unit, channel, 0, 0] = float(scale[channel])
        norm = trunk.bn2
        norm.running_mean.zero_()
        norm.running_var.fill_(1.0 - norm.eps)
        norm.weight.fill_(1.0)
        norm.bias.copy_(torch.from_numpy((-levels * scale).ravel()))
    return scale.astype(np.float32), levels.astype(np.float32)


def last_stage(trunk: Any, maps: np.ndarray) -> Any:
    """The last stage's output of cached maps, (n, 320, 7, 7)."""
    import torch

    return trunk.blocks[-1](torch.from_numpy(maps.astype(np.float32)))


def units(last: Any, scale: Any, levels: Any) -> Any:
    """What ``conv_head`` and ``bn2`` make of the last stage by now, pooled; (n, 1280).

    The same numbers as through the layer itself, whose weights are nearly all zero, for a tenth of
    the work. Half mean, half maximum is the nearest to a generalised mean that timm can pool.
    """
    size = scale[None, None, :]
    every = (last[:, None] - levels[None, :, :, None, None]) * size[..., None, None]
    mean = every.clamp(0, 6).mean((3, 4))
    top = ((last.amax((2, 3))[:, None] - levels[None]) * size).clamp(0, 6)
    return (0.5 * (mean + top)).flatten(1)


def generalised_mean(trunk: Any, maps: np.ndarray) -> np.ndarray:
    """What the package uses of ImageNet's tower: the last stage pooled; (n, 320), unit rows."""
    import torch

    found = []
    with torch.inference_mode():
        for start in range(0, len(maps), BATCH):
            last = last_stage(trunk, maps[start : start + BATCH])
            found.append(last.clamp(min=1e-6).pow(3).mean((2, 3)).pow(1 / 3).numpy())
    return normalise_rows(np.concatenate(found))
