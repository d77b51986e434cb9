"""The front door's way out: photos, words, items and vectors to a look."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Unpack

import numpy as np
from numpy.typing import NDArray

from scenesearch.api.base import Shop
from scenesearch.api.signatures import showing_options
from scenesearch.config.search import SearchOptions
from scenesearch.config.search_keywords import SearchKeywords
from scenesearch.core.conditions import Condition
from scenesearch.core.types import BoxTuple, Region, Scene
from scenesearch.images import ImageSource
from scenesearch.look.look import Look
from scenesearch.search.query import Query
from scenesearch.search.searcher import PreparedQuery
from scenesearch.search.seen import Seen
from scenesearch.system.timing import StageTimes
from scenesearch.wiring import region_rules
from scenesearch.words import ParsedWords

Weighted = Iterable[Any] | Mapping[Any, float]


class Searching(Shop):
    """Answers queries over a collection."""

    @showing_options
    def shop_the_look(
        self,
        photo: ImageSource | Scene,
        *,
        boxes: Sequence[BoxTuple] = (),
        point: tuple[float, float] | None = None,
        text: str | Weighted = (),
        items: str | Weighted = (),
        words: str | ParsedWords | None = None,
        where: str | Condition | None = None,
        **options: Unpack[SearchKeywords],
    ) -> Look:
        """Search every object of a photo.

        Args:
            photo: path, bytes, file object, PIL image, numpy array, or a scene.
            boxes: regions to search instead of the detector's: pixels, xyxy.
            point: a tapped point: only the object under it is searched.
            text: words that every region is moved towards; a mapping gives weights, negative
                ones push away.
            items: likewise with catalogue items ("like this, but more like that one").
            words: plain words, such as "red, under $50": their price filters, their colours and
                categories move every region's answers; see docs/words.md.
            where: a filter; see docs/filters.md.
            **options: see docs/options.md; as the settings have them where left out.

        Raises:
            ImageError: the photo cannot be read.
            QueryError: the query or an option makes no sense.
            StoreError: there is no collection, or it was made with other models.
        """
        query = Query(
            scene=self._scene(photo),
            boxes=tuple(boxes),
            point=point,
            texts=_weighted(text),
            items=_weighted(items),
            words=words,
        )
        return self._searcher.look(query, self.options(where, options))

    look = shop_the_look

    @showing_options
    def search(
        self,
        words: str | ParsedWords | None = None,
        *,
        text: str | Weighted = (),
        photos: ImageSource | Scene | Weighted = (),
        items: str | Weighted = (),
        vectors: Sequence[tuple[NDArray[np.float32], float]] | NDArray[np.float32] = (),
        where: str | Condition | None = None,
        **options: Unpack[SearchKeywords],
    ) -> Look:
        """Search for one thing, by any mixture of words, photos of it, items and vectors.

        Args:
            words: plain words, such as "red shoes under $50", understood without a model; what
                was understood is ``Look.parsed``, and can be corrected and given here instead.
            text: words for a model that reads text; a mapping gives weights, negative ones push
                away.
            photos: photos of the thing; each is one thing, nothing is detected in it.
            items: ids of catalogue items.
            vectors: embeddings of the caller.
            where: a filter; see docs/filters.md.
            **options: see docs/options.md; as the settings have them where left out.

        Raises:
            ImageError: a photo cannot be read.
            QueryError: the query or an option makes no sense.
            StoreError: there is no collection, or it was made with other models.
        """
        if isinstance(vectors, np.ndarray):
            vectors = [(vectors, 1.0)]
        query = Query(
            products=tuple((self._scene(p), w) for p, w in _weighted(photos)),
            texts=_weighted(text),
            items=_weighted(items),
            vectors=tuple(vectors),
            words=words,
        )
        return self._searcher.look(query, self.options(where, options))

    def understand(self, words: str, *, strict_category: bool = False) -> ParsedWords:
        """What some words ask for in this collection, to be corrected and searched with.

        Args:
            words: as for :meth:`search`.
            strict_category: make the category a filter instead of a preference.

        Raises:
            QueryError: the text is too long.
            StoreError: there is no collection, or it was made with other models.
        """
        return self._searcher.understand(words, strict_category=strict_category)

    def prepare(
        self,
        photo: ImageSource | Scene,
        *,
        boxes: Sequence[BoxTuple] = (),
        regions: Mapping[str, Any] | None = None,
    ) -> PreparedQuery:
        """Run the models over a photo once, to ask many questions of it with :meth:`answer`.

        Args:
            photo: as for :meth:`shop_the_look`.
            boxes: regions to search instead of the detector's: pixels, xyxy.
            regions: other values of :class:`~scenesearch.models.encode.RegionRules`.

        Raises:
            ImageError: the photo cannot be read.
            StoreError: there is no collection, or it was made with other models.
        """
        query = Query(scene=self._scene(photo), boxes=tuple(boxes))
        return self._searcher.prepare(query, regions)

    def ask(
        self,
        query: Query,
        options: SearchOptions | None = None,
        *,
        regions: Mapping[str, Any] | None = None,
        seen: Seen | None = None,
        times: StageTimes | None = None,
    ) -> Look:
        """Answer a query that is put together already; what :meth:`look` and others stand on.

        Args:
            query: the question.
            options: see :meth:`options`; the settings' defaults where none are given.
            regions: other values of :class:`~scenesearch.models.encode.RegionRules`.
            seen: what the models said of this photo before; what they say now is kept in it.
            times: adds up seconds by stage.

        Raises:
            QueryError: the query or an option makes no sense.
            StoreError: there is no collection, or it was made with other models.
        """
        chosen = options or self.options()
        return self._searcher.look(query, chosen, regions=regions, seen=seen, times=times)

    def seen_regions(self, query: Query, regions: Mapping[str, Any], seen: Seen) -> list[Region]:
        """What :meth:`ask` would search; the photo's pixels are used only for what is new."""
        rules = replace(region_rules(self.settings), **regions)
        return self._searcher.regions(query, rules=rules, seen=seen)

    @showing_options
    def answer(
        self,
        prepared: PreparedQuery,
        *,
        where: str | Condition | None = None,
        **options: Unpack[SearchKeywords],
    ) -> Look:
        """Search with what :meth:`prepare` gave; no model runs.

        Raises:
            QueryError: an option makes no sense.
        """
        return self._searcher.answer(prepared, self.options(where, options))

    def regions(self, photo: ImageSource | Scene) -> list[Region]:
        """What would be searched in a photo; needs no collection."""
        return self._searcher.regions(Query(scene=self._scene(photo)))


def _weighted(parts: Any) -> tuple[tuple[Any, float], ...]:
    """One thing, several things, or things with weights, as pairs."""
    if isinstance(parts, Mapping):
        return tuple((part, float(weight)) for part, weight in parts.items())
    if isinstance(parts, list | tuple):
        return tuple((part, 1.0) for part in parts)
    return ((parts, 1.0),)
