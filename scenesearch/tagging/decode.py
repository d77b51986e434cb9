"""Decoding one photo: what runs in the worker processes. Light to import: no models."""

from __future__ import annotations

import hashlib
import os
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from scenesearch.core.errors import ImageError
from scenesearch.core.limits import ImageLimits
from scenesearch.core.types import Image, OwnMask, Scene
from scenesearch.images import load_scene
from scenesearch.models.weights import sha256_of
from scenesearch.system.tuning import give_large_blocks_back
from scenesearch.tagging.slots import Slots


@dataclass(frozen=True, slots=True)
class Job:
    """One photo to decode.

    Attributes:
        name: what messages call it.
        path: where it is; not opened where ``data`` is given.
        data: the encoded file, where it was read already.
        known_sha256: of the content that needs no decoding again; empty for none.
    """

    name: str
    path: str
    data: bytes | None = field(default=None, repr=False)
    known_sha256: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Decoded:
    """A photo as pixels, shape (height, width, 3), RGB uint8; the parts of a scene."""

    image: Image
    sha256: str
    warnings: tuple[str, ...]
    seconds: float
    own: OwnMask | None = None

    def scene(self, name: str) -> Scene:
        """The photo as a scene."""
        return Scene(self.image, self.sha256, name, self.warnings, self.own)


@dataclass(frozen=True, slots=True)
class InSlot:
    """A photo whose pixels lie in shared memory; otherwise as :class:`Decoded`."""

    shape: tuple[int, ...]
    sha256: str
    warnings: tuple[str, ...]
    seconds: float
    own: OwnMask | None = None


@dataclass(frozen=True, slots=True)
class Unchanged:
    """The content is what ``known_sha256`` said."""

    sha256: str
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Undecoded:
    """Why there are no pixels."""

    code: str
    message: str
    seconds: float = 0.0


Outcome = Decoded | Unchanged | Undecoded


def decode(job: Job, limits: ImageLimits) -> Outcome:
    """Read and decode one photo; a photo that is refused is an answer, not an exception."""
    start = time.perf_counter()
    try:
        if job.known_sha256 and _sha256(job) == job.known_sha256:
            return Unchanged(job.known_sha256, time.perf_counter() - start)
        scene = load_scene(job.path if job.data is None else job.data, limits=limits, name=job.name)
    except ImageError as error:
        return Undecoded(error.code, str(error), time.perf_counter() - start)
    seconds = time.perf_counter() - start
    return Decoded(scene.image, scene.sha256, scene.warnings, seconds, scene.own)


def _sha256(job: Job) -> str | None:
    if job.data is not None:
        return hashlib.sha256(job.data).hexdigest()
    path = Path(job.path)
    try:
        # what is wrong with anything else is said by who opens it next
        return sha256_of(path) if path.is_file() else None
    except (OSError, ValueError):
        return None


_slots = Slots(0)
"""Of a worker process: set as it starts."""


def start_worker(slots: Slots) -> None:
    """Make this process a worker: it ends as soon as its parent is gone, however that went."""
    global _slots  # noqa: PLW0603 - a process of its own, and its work gets no other argument
    _slots = slots
    give_large_blocks_back()
    _end_with_parent()


def decode_into(job: Job, slot: int | None, limits: ImageLimits) -> Outcome | InSlot:
    """What a worker does: as :func:`decode`, with the pixels in a slot where there is room."""
    outcome = decode(job, limits)
    if isinstance(outcome, Decoded) and _slots.write(slot, outcome.image):
        shape = outcome.image.shape
        return InSlot(shape, outcome.sha256, outcome.warnings, outcome.seconds, outcome.own)
    return outcome


def _end_with_parent() -> None:
    from multiprocessing import connection, parent_process

    parent = parent_process()
    if parent is None:
        return
    # the sentinel becomes ready when the parent's side of a pipe closes
    watched: Iterable[int] = [parent.sentinel]

    def watch() -> None:
        connection.wait(watched)
        os._exit(1)

    threading.Thread(target=watch, name="end-with-parent", daemon=True).start()


def ready() -> int:
    """The worker's process id: shows that workers start."""
    return os.getpid()
