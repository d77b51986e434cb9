"""Photos named on the command line, read one by one by the names they were listed with."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from scenesearch.core.errors import ImageError
from scenesearch.images import load_scene

if TYPE_CHECKING:
    from scenesearch.core.limits import ImageLimits
    from scenesearch.core.types import Scene
    from scenesearch.tagging.sources import Source

REMOTE_TIMEOUT_S = 60.0
"""For one photo from object storage."""


class PhotoSources:
    """Lists photos, and reads those that were listed.

    Args:
        arguments: as :func:`scenesearch.tagging.sources.list_sources` takes them.
        limits: what photos are accepted.
    """

    def __init__(self, arguments: Sequence[str], limits: ImageLimits) -> None:
        self._arguments = arguments
        self._limits = limits
        self._odd: dict[str, Source] = {}

    def __iter__(self) -> Iterator[str]:
        """The names, lazily.

        Raises:
            CatalogError: an argument names no photo.
        """
        from scenesearch.tagging.sources import list_sources

        for source in list_sources(self._arguments):
            # only what cannot be opened by its name has to be remembered
            if source.remote or source.error is not None or source.name != source.path:
                self._odd[source.name] = source
            yield source.name

    def load(self, name: str) -> Scene:
        """Read a photo that was listed; called once for each.

        Raises:
            ImageError: it cannot be read.
        """
        source = self._odd.pop(name, None)
        if source is None:
            return load_scene(name, limits=self._limits)
        if source.error is not None:
            code, message = source.error
            raise ImageError(message, code=code)
        if not source.remote:
            return load_scene(source.path, limits=self._limits, name=name)
        from scenesearch.fetch.object_storage import read_remote

        data, _ = read_remote(
            source.path, max_bytes=self._limits.max_bytes, timeout_s=REMOTE_TIMEOUT_S
        )
        return load_scene(data, limits=self._limits, name=name)
