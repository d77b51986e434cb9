"""Scenes with something that looks like an item: photos nobody wrote the products of down."""

from __future__ import annotations

from collections.abc import Sequence

from scenesearch.complete.known_scenes import ItemScene
from scenesearch.core.errors import QueryError
from scenesearch.core.protocols import Store
from scenesearch.scenes.find import SceneFinder

BY_SIGHT = "by sight"


class ScenesBySight:
    """Looks for an item in a collection of photos; a source of :class:`Completer`.

    Args:
        finder: of the photos.
        items: the collection of the items.
    """

    def __init__(self, finder: SceneFinder, items: Store) -> None:
        self._finder = finder
        self._items = items

    def scenes_of(self, item_id: str, limit: int) -> Sequence[ItemScene]:
        """At most ``limit`` photos, best first; the score is the cosine, or 1 where it is known.

        Raises:
            CollectionMismatchError: items and photos were made by other models.
        """
        try:
            answer = self._finder.with_item(item_id, self._items, limit=limit)
        except QueryError as error:
            if error.code == "unknown_item":
                return ()  # a known scene can name an item that was never indexed
            raise
        return tuple(
            ItemScene(
                match.photo,
                match.photo,
                match.items,
                match.kind or "",
                1.0 if match.known else min(max(match.score or 0.0, 0.0), 1.0),
                "known" if match.known else BY_SIGHT,
            )
            for match in answer.matches
        )
