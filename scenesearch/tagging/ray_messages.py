"""What the nodes of a cluster send each other: lines of JSON, and pixels beside them.

A block has two columns, ``text`` and ``pixels``, in every stage, so that Ray can put blocks
together and take them apart. Knows nothing of Ray.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from scenesearch.core import errors
from scenesearch.core.errors import SceneSearchError
from scenesearch.core.json_values import json_object
from scenesearch.tagging.decode import Decoded, Outcome, Unchanged, Undecoded
from scenesearch.tagging.ledger import Entry, Finished
from scenesearch.tagging.rows import DIGITS, TagRow
from scenesearch.tagging.sources import Identity, Source

PIXELS = "pixels"
TEXT = "text"


class Message(NamedTuple):
    """One line of a block.

    Attributes:
        values: JSON values.
        pixels: of a decoded photo, bytes or a buffer of them.
    """

    values: Mapping[str, Any]
    pixels: Any = None


def to_block(messages: Sequence[Message]) -> Any:
    """A ``pyarrow.Table`` with a line for each message."""
    import pyarrow as pa

    # ASCII, because the names of files may hold what is no valid text
    texts = [json.dumps(one.values, allow_nan=False) for one in messages]
    pixels = [one.pixels for one in messages]
    # 32-bit offsets would end a block at 2 GB of pixels
    schema = pa.schema([(TEXT, pa.large_string()), (PIXELS, pa.large_binary())])
    return pa.Table.from_pydict({TEXT: texts, PIXELS: pixels}, schema=schema)


def from_block(block: Any) -> list[Message]:
    """The messages of a block; pixels are not copied."""
    return [
        Message(json.loads(text.as_py()), pixels.as_buffer() if pixels.is_valid else None)
        for text, pixels in zip(block[TEXT], block[PIXELS], strict=True)
    ]


def of_entry(entry: Entry, path: str) -> Message:
    """An entry to be worked on, whose photo lies at ``path`` for every node."""
    source = Source(entry.source.name, path, entry.source.remote)
    return Message(json_object(replace(entry, source=source)))


def to_entry(values: Mapping[str, Any]) -> Entry:
    """The entry that :func:`of_entry` sent."""
    known = (values["decision"], values["known_sha256"])
    return Entry(values["place"], Source(**values["source"]), _identity(values), *known)


def _identity(values: Mapping[str, Any]) -> Identity | None:
    return None if values["identity"] is None else Identity(**values["identity"])


def of_outcome(entry: Entry, outcome: Outcome) -> Message:
    """A photo after decoding."""
    values: dict[str, Any] = dict(of_entry(entry, entry.source.path).values)
    values["seconds"] = outcome.seconds
    match outcome:
        case Decoded(image=image, sha256=sha256, warnings=warnings):
            values |= {"sha256": sha256, "shape": image.shape, "warnings": warnings}
            return Message(values, image.tobytes())
        case Unchanged(sha256=sha256):
            return Message(values | {"unchanged": sha256})
        case Undecoded(code=code, message=message):
            return Message(values | {"code": code, "message": message})


def to_outcome(sent: Message) -> Outcome:
    """The outcome that :func:`of_outcome` sent."""
    values = sent.values
    seconds = values["seconds"]
    if sent.pixels is not None:
        image = np.frombuffer(sent.pixels, np.uint8).reshape(values["shape"])
        return Decoded(image, values["sha256"], tuple(values["warnings"]), seconds)
    if "unchanged" in values:
        return Unchanged(values["unchanged"], seconds)
    return Undecoded(values["code"], values["message"], seconds)


def of_finished(finished: Finished) -> Message:
    """A source brought to its end."""
    return Message(json_object(finished, 4, DIGITS))


def to_finished(values: Mapping[str, Any]) -> Finished:
    """What :func:`of_finished` sent."""
    row = None if values["row"] is None else TagRow.from_dict(values["row"])
    return Finished(**{**values, "identity": _identity(values), "row": row})


def of_error(error: Exception) -> Message:
    """An error that ends the run, as names and texts, on its way to whoever started it."""
    code = error.code if isinstance(error, SceneSearchError) else None
    return Message({"raised": (type(error).__name__, str(error), code)})


def to_error(values: Mapping[str, Any]) -> SceneSearchError | None:
    """The error a message holds, if it is one: of the same class, where that is of this package."""
    if "raised" not in values:
        return None
    kind, message, code = values["raised"]
    known = getattr(errors, kind, None)
    if isinstance(known, type) and issubclass(known, SceneSearchError):
        return known(message, code=code)
    return SceneSearchError(
        f"a stage failed on a node of the cluster ({kind}: {message}); check that all nodes have "
        f"the same version of scenesearch",
        code="ray_failed",
    )
