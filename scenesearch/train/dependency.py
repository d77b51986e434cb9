"""The optional library that training the embedder stands on."""

from __future__ import annotations

import importlib.util

from scenesearch.core.errors import MissingDependencyError


def metric_learning() -> None:
    """Nothing, where pytorch-metric-learning is installed.

    Raises:
        MissingDependencyError: it is not.
    """
    if importlib.util.find_spec("pytorch_metric_learning") is None:
        raise MissingDependencyError(
            "Training an embedder needs pytorch-metric-learning, which is not installed; install "
            "it with pip install 'scenesearch[train]'"
        )
