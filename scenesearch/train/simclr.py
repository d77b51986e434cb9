"""Learning without groups: two views of one photo are alike, views of others are not.

SimCLR's loss (Chen et al., ICML 2020, arXiv:2002.05709) straight on the tower's vectors: a small
catalogue is no data to train a projection head on, and the vectors are what is searched.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scenesearch.train.dependency import metric_learning


class ViewLoss:
    """NT-Xent on two views of each photo.

    Args:
        temperature: of the softmax over cosines, above 0.
    """

    def __init__(self, temperature: float) -> None:
        metric_learning()
        from pytorch_metric_learning.losses import NTXentLoss, SelfSupervisedLoss

        self._loss = SelfSupervisedLoss(NTXentLoss(temperature))

    def parameters(self) -> list[Any]:
        """Nothing is learnt beside the tower."""
        return []

    def __call__(self, vectors: Any, labels: Any) -> tuple[Any, dict[str, float]]:
        """The loss, and the same by name.

        Args:
            vectors: tensor (2 n, dim): one view of each photo, then the other of each.
            labels: are not looked at.
        """
        from torch.nn.functional import normalize

        del labels
        first, second = normalize(vectors, dim=1).chunk(2)
        value = self._loss(first, second)
        return value, {"views": float(value.detach())}

    def state(self) -> dict[str, Any]:
        """No tensors."""
        return {}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Nothing to take."""
