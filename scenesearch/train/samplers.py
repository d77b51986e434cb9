"""Which photos are in which step: m of each product, by pytorch-metric-learning's sampler."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from scenesearch.core.errors import CatalogError
from scenesearch.train.losses import metric_learning


def product_batches(
    labels: Sequence[int], per_product: int, batch: int, *, seed: int, epoch: int
) -> list[list[int]]:
    """The batches of an epoch, ``per_product`` photos of each product that is in one.

    Products are drawn at random for each batch; of one with fewer photos some come twice, and
    get another view. An epoch has about as many pictures as there are photos.

    Args:
        labels: the product of each photo.
        per_product: photos of a product in a batch.
        batch: size of a batch, a multiple of ``per_product``; smaller where there are too few
            products to fill it.
        seed: of the run.
        epoch: from 0; each is another draw.

    Returns:
        Numbers of photos.

    Raises:
        CatalogError: fewer than two products.
    """
    products = len(set(labels))
    if products < 2:
        raise CatalogError(
            f"{products} product to train on: expected at least 2, or there is nothing to tell "
            f"apart; give more products, or train unsupervised"
        )
    size = min(batch // per_product, products) * per_product
    metric_learning()
    from pytorch_metric_learning.samplers import MPerClassSampler
    from pytorch_metric_learning.utils import common_functions

    sampler = MPerClassSampler(
        list(labels), per_product, size, length_before_new_iter=max(len(labels), size)
    )
    # the library draws from this name, and documents that it may be replaced
    before = common_functions.NUMPY_RANDOM
    common_functions.NUMPY_RANDOM = np.random.RandomState(mixed(seed, epoch))
    try:
        order = [int(number) for number in sampler]
    finally:
        common_functions.NUMPY_RANDOM = before
    return [order[start : start + size] for start in range(0, len(order), size)]


def photo_batches(count: int, batch: int, *, seed: int, epoch: int) -> list[list[int]]:
    """Every photo once in random order; a last batch of a single photo is left out.

    Raises:
        CatalogError: fewer than two photos.
    """
    if count < 2:
        raise CatalogError(f"{count} photo to train on: expected at least 2")
    order = np.random.default_rng((seed, epoch)).permutation(count).tolist()
    batches = [order[start : start + batch] for start in range(0, count, batch)]
    return [one for one in batches if len(one) > 1]


def mixed(seed: int, epoch: int) -> int:
    """One seed of two numbers."""
    return int(np.random.SeedSequence((seed, epoch)).generate_state(1)[0])
