"""Photos as they came to scenes, decoded in processes that can be killed."""

from __future__ import annotations

import io
from collections.abc import Sequence
from concurrent.futures import CancelledError, Future

from scenesearch.core.errors import ImageError, SceneSearchError
from scenesearch.core.limits import ImageLimits
from scenesearch.core.types import Scene
from scenesearch.engine.cancellation import CheckedTimes
from scenesearch.engine.tasks import Photo
from scenesearch.tagging.decode import Decoded, Job, Outcome, Undecoded
from scenesearch.tagging.decode_pool import DecodePool, default_workers

PATIENCE_S = 0.1
"""How long a wait for a photo lasts before it is asked whether anybody still waits."""
NAME = 100
"""Characters of a photo's name that are kept."""


class Decoder:
    """Decodes photos; one that hangs or crashes its process costs itself only.

    Args:
        workers: processes; 0 for one a core, at most 8.
        timeout_s: for one photo, from when a process takes it.
        limits: of photos.
    """

    def __init__(self, workers: int, *, timeout_s: float, limits: ImageLimits) -> None:
        self._pool = DecodePool(workers or default_workers(), timeout_s=timeout_s, limits=limits)

    def start(self) -> None:
        """Start the processes now, so that the first photo need not wait for them.

        Raises:
            SceneSearchError: they do not start.
        """
        from PIL import Image

        drawn = io.BytesIO()
        Image.new("RGB", (32, 32)).save(drawn, "PNG")
        self._pool.submit(Job("start", "", drawn.getvalue())).result()

    def scene(self, photo: Photo, times: CheckedTimes) -> Scene:
        """One photo as a scene.

        Raises:
            ImageError: it cannot be read, or is refused.
            TaskCancelledError: nobody waits for it.
        """
        return self.scenes([photo], times)[0]

    def scenes(self, photos: Sequence[Photo], times: CheckedTimes) -> list[Scene]:
        """Photos as scenes, in order, decoded side by side.

        Raises:
            ImageError: one of them cannot be read, or is refused.
            TaskCancelledError: nobody waits for them.
        """
        with times.stage("decode"):
            named = [(_shown(photo.name), photo) for photo in photos]
            coming = [self._pool.submit(Job(name, "", photo.data)) for name, photo in named]
            return [
                _scene(_wait(outcome, times), name)
                for outcome, (name, _) in zip(coming, named, strict=True)
            ]

    def close(self) -> None:
        """Kill what runs."""
        self._pool.close()


def _wait(outcome: Future[Outcome], times: CheckedTimes) -> Outcome:
    while True:
        try:
            return outcome.result(PATIENCE_S)
        except TimeoutError:
            times.check("decode")
        except CancelledError as error:
            raise SceneSearchError(
                "The engine is closing, so the photo was not decoded; ask again in a moment",
                code="closing",
            ) from error


def _scene(outcome: Outcome, name: str) -> Scene:
    if isinstance(outcome, Undecoded):
        raise ImageError(outcome.message, code=outcome.code)
    # nothing is known of any photo, so none is unchanged
    assert isinstance(outcome, Decoded)
    return outcome.scene(name)


def _shown(name: str) -> str:
    """A name from outside on one line of printable characters, never the end of a path."""
    last = name.replace("\\", "/").rpartition("/")[2][:NAME]
    return "".join(c if c.isprintable() else "?" for c in last) or "photo"
