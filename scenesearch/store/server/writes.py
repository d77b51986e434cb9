"""Writes to the points of a server: each carries a revision, and may be asked for again.

See :mod:`scenesearch.store.server.revisions` for what that keeps from happening.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from scenesearch.core.batches import batches
from scenesearch.core.errors import StoreError
from scenesearch.core.points import REVISION
from scenesearch.store.bm25 import Terms
from scenesearch.store.server.answers import PARTS
from scenesearch.store.server.client_translate import ClientRequests
from scenesearch.store.server.connection import Connection
from scenesearch.store.server.revisions import Revisions

PAGE = 1000
"""Points of one change of words."""


class PointWrites:
    """Writes to one collection.

    Args:
        server: where it lies.
        name: of the collection.
        revisions: of this process.
    """

    def __init__(self, server: Connection, name: str, revisions: Revisions) -> None:
        self._server, self._name, self._revisions = server, name, revisions

    def upsert(
        self,
        ids: Sequence[str],
        vectors: Sequence[Any],
        payloads: Sequence[dict[str, Any]],
        requests: ClientRequests,
    ) -> None:
        """Points, in one request, or in as many as the server takes."""
        revision = self._revisions.next()
        batch = requests.points(ids, vectors, payloads, revision)
        self._upsert(batch, requests.no_newer(None, revision))

    def _upsert(self, batch: Sequence[Any], no_newer: Any) -> None:
        name = self._name
        try:
            self._server.ask(
                f"write {len(batch)} points to {name!r}",
                lambda c: c.upsert(name, batch, wait=True),
                again=lambda c: c.upsert(name, batch, wait=True, update_filter=no_newer),
            )
        except StoreError as error:
            if error.code not in PARTS or len(batch) == 1:
                raise
            half = len(batch) // 2
            self._upsert(batch[:half], no_newer)
            self._upsert(batch[half:], no_newer)

    def patch(
        self,
        what: str,
        selection: Any,
        patch: Mapping[str, Any],
        requests: ClientRequests,
        words: tuple[Sequence[str], Terms | None] | None = None,
    ) -> None:
        """Change payloads.

        Args:
            what: names it in messages.
            selection: the filter of the points.
            patch: what is merged; a null removes a key.
            requests: of the collection.
            words: points by id and what they are searched by from now on; None for their words
                takes those of the selection away.

        Raises:
            StoreError: with the code ``POINT_GONE``, where one of the ids was deleted.
        """
        revision = self._revisions.next()

        def change(client: Any, *, again: bool) -> None:
            those = requests.no_newer(selection, revision) if again else selection
            operations = []
            # words first: what a kill leaves between the two, the same write mends
            if words is not None and words[1] is None:
                operations.append(requests.remove_words(those))
            elif words is not None and words[1] is not None:
                only = requests.no_newer(None, revision) if again else None
                operations += [
                    requests.set_words([(i, words[1]) for i in page], only)
                    for page in batches(words[0], PAGE)
                ]
            operations.append(requests.set_payload(those, {**patch, REVISION: revision}))
            client.batch_update_points(self._name, operations, wait=True)

        self._server.ask(what, partial(change, again=False), again=partial(change, again=True))

    def delete(self, selection: Any, requests: ClientRequests) -> None:
        """Remove points; what was written since stays, when it is asked for again."""
        older = requests.no_newer(selection, self._revisions.next())
        self._server.ask(
            f"delete points from {self._name!r}",
            lambda c: c.delete(self._name, requests.target(selection), wait=True),
            again=lambda c: c.delete(self._name, requests.target(older), wait=True),
        )
