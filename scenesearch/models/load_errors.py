"""What reading broken weights raises, library by library, and how it is said in one line.

ONNX Runtime and safetensors derive their errors from ``Exception`` itself, so they have to be
named to be wrapped. The functions import their library, and are meant for ``except`` clauses,
which Python evaluates only once something was raised.
"""

from __future__ import annotations

import importlib.util
import re
from pickle import PickleError  # only the name of the error; nothing is unpickled

from scenesearch.models.onnx_runtime import import_onnxruntime

_COMMON = (OSError, RuntimeError, ValueError, KeyError, TypeError, AttributeError, EOFError)
_LONGEST = 240


def onnx_errors() -> tuple[type[Exception], ...]:
    """What ONNX Runtime raises when it opens or runs a model."""
    state = import_onnxruntime().capi.onnxruntime_pybind11_state
    own = [x for x in vars(state).values() if isinstance(x, type) and issubclass(x, Exception)]
    return (*own, *_COMMON)


def checkpoint_errors() -> tuple[type[Exception], ...]:
    """What torch, safetensors and the model libraries above them raise on a checkpoint."""
    own: list[type[Exception]] = [PickleError, ImportError]
    if importlib.util.find_spec("safetensors") is not None:
        from safetensors import SafetensorError

        own.append(SafetensorError)
    return (*own, *_COMMON)


def one_line(error: BaseException) -> str:
    """The first sentence of an error, for the end of a message of ours.

    Further sentences of third-party errors are about their own options, and some advise what we
    refuse to do.

    >>> one_line(RuntimeError("Weights only load failed. Re-run with weights_only=False"))
    'Weights only load failed'
    """
    text = " ".join(str(error).split()) or type(error).__name__
    sentence = re.split(r"\.\s", text, maxsplit=1)[0].rstrip(".")
    return sentence if len(sentence) <= _LONGEST else sentence[: _LONGEST - 1] + "…"
