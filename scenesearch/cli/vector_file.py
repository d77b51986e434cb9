"""An embedding in a file, as ``--vector`` names it."""

from __future__ import annotations

import json
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

from scenesearch.core.errors import QueryError

if TYPE_CHECKING:
    from scenesearch.search.query import WeightedVector

MOST_BYTES = 4_000_000
"""Of such a file."""


def vector_part(text: str) -> WeightedVector:
    """What ``[SPACE=]FILE`` names.

    Args:
        text: a .npy file of one row, or one that holds a list of numbers as JSON; before it the
            space that the numbers lie in, where they are none of the model's.

    Raises:
        QueryError: there is no such file, or something else in it.
    """
    import numpy as np

    # a file may have "=" in its name, a space may not
    space, found, name = text.partition("=")
    if not found or Path(text).is_file():
        space, name = "", text
    path = Path(name)
    try:
        with path.open("rb") as file:
            data = file.read(MOST_BYTES)
        if path.suffix.lower() == ".npy":
            row = np.load(BytesIO(data), allow_pickle=False)
        else:
            row = np.array(json.loads(data))
    except (OSError, ValueError, RecursionError, EOFError) as error:
        raise _wrong(text, str(error)) from error
    if row.ndim != 1 or row.dtype.kind not in "fiu":
        raise _wrong(text, f"it holds {row.dtype} of shape {row.shape}")
    return row.astype(np.float32), 1.0, space or None


def _wrong(text: str, why: str) -> QueryError:
    return QueryError(
        f"--vector {text}: expected a .npy file of one row, or a list of numbers as JSON: {why}",
        code="bad_vector",
    )
