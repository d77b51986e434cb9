"""Losses of pytorch-metric-learning: of groups, by name and added up by weight; of views."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scenesearch.core.extras import extra
from scenesearch.train.checkpoint import under


def metric_learning() -> None:
    """Nothing, where pytorch-metric-learning is installed.

    Raises:
        MissingDependencyError: it is not.
    """
    with extra("train", "Training an embedder"):
        import pytorch_metric_learning  # noqa: F401


class Loss:
    """Labelled vectors to one number, and what it learns itself: nothing, where it does not say."""

    def parameters(self) -> list[Any]:
        """Learnt beside the tower."""
        return []

    def __call__(self, vectors: Any, labels: Any) -> tuple[Any, dict[str, float]]:
        """The number, and its parts by name."""
        raise NotImplementedError

    def state(self) -> dict[str, Any]:
        """Tensors by name."""
        return {}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take tensors that ``state`` gave."""


class WeightedLoss(Loss):
    """A sum of losses on labelled vectors.

    * ``contrastive``: Hadsell et al., CVPR 2006; on cosines, pairs of one product pulled up to 1,
      others pushed below 0.5.
    * ``triplet``: Schroff et al., CVPR 2015 (arXiv:1503.03832), with their semi-hard triplets
      mined in each batch.
    * ``n_pairs``: Sohn, NIPS 2016.
    * ``multi_similarity``: Wang et al., CVPR 2019 (arXiv:1904.06627), with its own miner.
    * ``proxy_anchor``: Kim et al., CVPR 2020 (arXiv:2003.13911); learns a proxy a product.
    * ``classification``: normalised softmax, Zhai and Wu, BMVC 2019 (arXiv:1811.12649); learns a
      linear head.

    Args:
        weights: by name.
        dim: length of the vectors.
        products: that are trained on.
        device: where what is learnt lies.
    """

    def __init__(
        self, weights: Mapping[str, float], dim: int, products: int, device: str = "cpu"
    ) -> None:
        self._weights = dict(weights)
        self._parts = {name: _made(name, dim, products) for name in weights}
        for loss, _ in self._parts.values():
            loss.to(device)

    def parameters(self) -> list[Any]:
        """What the losses learn themselves."""
        return [parameter for loss, _ in self._parts.values() for parameter in loss.parameters()]

    def __call__(self, vectors: Any, labels: Any) -> tuple[Any, dict[str, float]]:
        """The sum, and each part without its weight.

        Args:
            vectors: tensor (n, dim); normalised here.
            labels: tensor (n,) of product numbers.
        """
        from torch.nn.functional import normalize

        vectors = normalize(vectors, dim=1)
        total: Any = 0.0
        parts = {}
        for name, (loss, miner) in self._parts.items():
            pairs = miner(vectors, labels) if miner is not None else None
            value = loss(vectors, labels, pairs)
            parts[name] = float(value.detach())
            total = total + self._weights[name] * value
        return total, parts

    def state(self) -> dict[str, Any]:
        """Tensors by name."""
        return {
            f"{name}.{key}": tensor
            for name, (loss, _) in self._parts.items()
            for key, tensor in loss.state_dict().items()
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take tensors that :meth:`state` gave."""
        for name, (loss, _) in self._parts.items():
            loss.load_state_dict(under(name, state))


class ViewLoss(Loss):
    """NT-Xent on two views of each photo: views of one are alike, views of others are not.

    SimCLR's loss (Chen et al., ICML 2020, arXiv:2002.05709) straight on the tower's vectors: a
    small catalogue is no data to train a projection head on, and the vectors are what is searched.

    Args:
        temperature: of the softmax over cosines, above 0.
    """

    def __init__(self, temperature: float) -> None:
        metric_learning()
        from pytorch_metric_learning.losses import NTXentLoss, SelfSupervisedLoss

        self._loss = SelfSupervisedLoss(NTXentLoss(temperature))

    def __call__(self, vectors: Any, labels: Any) -> tuple[Any, dict[str, float]]:  # noqa: ARG002
        """The loss, and the same by name.

        Args:
            vectors: tensor (2 n, dim): one view of each photo, then the other of each.
            labels: are not looked at.
        """
        from torch.nn.functional import normalize

        first, second = normalize(vectors, dim=1).chunk(2)
        value = self._loss(first, second)
        return value, {"views": float(value.detach())}


def _made(name: str, dim: int, products: int) -> tuple[Any, Any]:
    """A loss and its miner; None where it takes all pairs."""
    metric_learning()
    from pytorch_metric_learning import distances, losses, miners

    match name:
        case "contrastive":
            cosine = distances.CosineSimilarity()
            return losses.ContrastiveLoss(pos_margin=1.0, neg_margin=0.5, distance=cosine), None
        case "triplet":
            miner = miners.TripletMarginMiner(margin=0.2, type_of_triplets="semihard")
            return losses.TripletMarginLoss(margin=0.2), miner
        case "n_pairs":
            return losses.NPairsLoss(), None
        case "multi_similarity":
            return losses.MultiSimilarityLoss(), miners.MultiSimilarityMiner()
        case "proxy_anchor":
            return losses.ProxyAnchorLoss(products, dim), None
        case "classification":
            return losses.NormalizedSoftmaxLoss(products, dim), None
    raise ValueError(f"no loss is named {name!r}")
