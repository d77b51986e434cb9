"""Photos in object storage, known by their content before a run plans what to do with them.

Each is asked for what changes with it; those that are new, or changed, are read once for their
sha256, by the workers where there is a cluster. They are not kept: who embeds them reads them
again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from scenesearch import wiring
from scenesearch.api.opened import Opened
from scenesearch.core.addresses import in_object_storage
from scenesearch.core.batches import batches
from scenesearch.core.errors import ImageError
from scenesearch.core.types import Item
from scenesearch.index.ray_run import RayIndexing
from scenesearch.index.run import Progress
from scenesearch.system.once import once

if TYPE_CHECKING:
    from scenesearch.fetch.address_book import AddressBook

PART = 5_000
"""Photos that are asked for together."""
BATCH = 64
"""Photos that are read, and noted, together."""


class BucketPhotos:
    """The photos of one run.

    Args:
        opened: the collection they are for.
        workers: of a cluster; None to read them here.
    """

    def __init__(self, opened: Opened, workers: RayIndexing | None) -> None:
        self._opened = opened
        self._workers = workers
        self._problems: dict[str, str] = {}

    @once
    def _book(self) -> AddressBook:
        return wiring.photo_book(self._opened.photo_folder.root)

    def close(self) -> None:
        """Give the list of what is known back."""
        if "_book" in self.__dict__:
            self._book.close()

    def look(self, items: Iterable[Item], *, dry_run: bool, progress: Progress | None) -> None:
        """Ask for all of them, and read those that are new; a dry run does neither.

        Raises:
            MissingDependencyError: a package for this kind of store is not installed.
            StoreError: what is known cannot be noted.
        """
        from scenesearch.fetch.object_storage import stamps

        total = 0 if dry_run else sum(1 for _ in _addresses(items))
        seen = 0
        for part in batches(_addresses(items) if total else (), PART):
            photos = list(dict.fromkeys(part))
            known = self._book.find(photos)
            new: list[str] = []
            for address, found in zip(photos, stamps(photos), strict=True):
                if found.problem:
                    self._problems[address] = found.problem
                elif not found.stamp or address not in known or known[address].etag != found.stamp:
                    new.append(address)
            self._read(new)
            seen += len(part)
            if progress is not None:
                progress("fetch", seen, total)

    def _read(self, photos: Sequence[str]) -> None:
        from scenesearch.fetch.address_book import Known
        from scenesearch.fetch.object_storage import contents

        settings = self._opened.settings

        read = partial(
            contents,
            max_bytes=settings.images.max_bytes,
            timeout_s=settings.fetch.timeout_s,
        )
        came: Iterator[tuple[Sequence[str], Sequence[Any]]] = (
            ((some, read(some)) for some in batches(photos, BATCH))
            if self._workers is None
            else self._workers.contents(photos)
        )
        for some, found in came:
            noted = []
            for address, one in zip(some, found, strict=True):
                if one.problem:
                    self._problems[address] = one.problem
                else:
                    self._problems.pop(address, None)
                    noted.append((address, Known(one.sha256, one.stamp)))
            self._book.note(noted)

    def sha256(self, address: str) -> str:
        """Of the content of one of them.

        Raises:
            ImageError: it could not be read.
        """
        if (problem := self._problems.get(address)) is not None:
            raise ImageError(problem, code="unreadable")
        known = None
        if "_book" in self.__dict__ or self._opened.photo_folder.root.is_dir():
            known = self._book.find([address]).get(address)
        # of a dry run: it is a new photo
        return known.sha256 if known else hashlib.sha256(address.encode()).hexdigest()


def _addresses(items: Iterable[Item]) -> Iterator[str]:
    return (photo for item in items for photo in item.photos if in_object_storage(photo))
