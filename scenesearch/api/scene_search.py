"""The object that users hold: what it can do, with every argument; the work is done beside it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Self, Unpack

import numpy as np
from numpy.typing import NDArray

from scenesearch.api import indexing, scenes, verifying
from scenesearch.api.baskets import baskets_of
from scenesearch.api.matching import match_to
from scenesearch.api.opened import Opened
from scenesearch.api.signatures import showing_options
from scenesearch.basket import LIST_LENGTH, Baskets
from scenesearch.catalog import CatalogReader, FeedOptions, OnDuplicate, read_catalog
from scenesearch.catalog.opening import MAX_ROWS
from scenesearch.complete import (
    CompleteOptions,
    Completer,
    Completion,
    ItemScene,
    KnownScene,
    ScenesAdded,
)
from scenesearch.complete.completer import ScenesBySight
from scenesearch.config.search_keywords import SearchKeywords
from scenesearch.config.settings import Settings, load_settings
from scenesearch.core.batches import scroll_all
from scenesearch.core.conditions import Condition, Equals
from scenesearch.core.errors import QueryError
from scenesearch.core.points import CUTOUT, is_ours
from scenesearch.core.protocols import Store
from scenesearch.core.turns import Turn
from scenesearch.core.types import BoxTuple, FieldType, Item, Region, Scene
from scenesearch.evaluation.evaluate import read_truths
from scenesearch.images import ImageSource
from scenesearch.index.run import Progress
from scenesearch.look.look import Look
from scenesearch.models.encode import EncodedRegion
from scenesearch.scenes.deduplication import HashedPhoto, stored_photos
from scenesearch.scenes.find import SceneFinder
from scenesearch.scenes.index import SceneReport
from scenesearch.scenes.known_items import KnownItems
from scenesearch.search.look_builder import attributes_of
from scenesearch.search.query import Query, WeightedVector
from scenesearch.search.searcher import PreparedQuery
from scenesearch.sync.plan import SyncRules
from scenesearch.sync.syncer import SyncReport
from scenesearch.system.ray_cluster import RayOptions
from scenesearch.tagging.rows import TagRow
from scenesearch.tagging.run import RunOptions, TagProgress, TagSummary
from scenesearch.tagging.tagger import TagOptions
from scenesearch.verify.report import Report
from scenesearch.wiring import build_scene_finder
from scenesearch.words import ParsedWords

Weighted = Iterable[Any] | Mapping[Any, float]


class SceneSearch:
    """A collection of catalogue items, and the models it was made with.

    Models and store are opened when they are first needed. Use it as a context manager, or call
    :meth:`close`.

    Args:
        store: a folder for the embedded store, or the URL of a Qdrant server.
        collection: name of the collection: ``a-z 0-9 _ -``, at most 64.
        scenes: name of the collection of photos of scenes, likewise.
        config: a YAML file, the name of a profile that came with the package, or settings.
        store_process: keep an embedded store in a process of its own, for programs of many
            threads; a script must then be guarded by ``if __name__ == '__main__':``.

    Attributes:
        settings: what ``config`` says.

    >>> with SceneSearch("./store", config="cpu-small") as shop:  # doctest: +SKIP
    ...     shop.index("catalog.csv")
    ...     look = shop.shop_the_look("room.jpg", where="price < 100")
    ...     look.save("look.png")
    """

    def __init__(
        self,
        store: str | Path = "store",
        *,
        collection: str = "items",
        scenes: str = "scenes",
        config: str | Path | Settings | None = None,
        store_process: bool = False,
    ) -> None:
        self.settings = config if isinstance(config, Settings) else load_settings(config)
        self._opened = Opened(
            store, self.settings, collection=collection, scenes=scenes, process=store_process
        )

    def __repr__(self) -> str:
        return f"SceneSearch({str(self._opened.address)!r}, collection={self._opened.collection!r})"

    # --- opening and closing ---------------------------------------------------------------

    @property
    def store(self) -> Store:
        """The store, for what this class has no word for."""
        return self._opened.store

    def load(self) -> None:
        """Load what a search needs now, so that the first one is as fast as the others."""
        self._opened.load()

    def changed(self) -> None:
        """Forget what was learned of the collection, because something else wrote to it.

        Searches that are under way go on with what they knew. Safe to call from any thread.
        """
        self._opened.changed()

    def close(self) -> None:
        """Give the store, the cache and the models back."""
        self._opened.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # --- a catalogue goes in ---------------------------------------------------------------

    def index(
        self,
        catalog: str | Path,
        *,
        image_root: str | Path | None = None,
        strict: bool = False,
        prune: bool = False,
        dry_run: bool = False,
        on_duplicate: OnDuplicate = "error",
        columns: Mapping[str, str] | None = None,
        encoding: str | None = None,
        delimiter: str | None = None,
        feed: FeedOptions | None = None,
        cluster: RayOptions | None = None,
        progress: Progress | None = None,
    ) -> indexing.IndexOutcome:
        """Bring the collection in line with a catalogue; only what changed is worked on.

        Args:
            catalog: a table, a shop's feed or export, a set of pictures, or a folder of images;
                also the address of a feed; see docs/catalog.md.
            image_root: where image paths start; the catalogue's folder by default.
            strict: stop at the first bad row instead of leaving it out.
            prune: remove stored items the catalogue no longer has.
            dry_run: plan only; changes nothing.
            on_duplicate: what to do with two rows of one id.
            columns: our name to the catalogue's, where they differ: ``{"id": "SKU"}``.
            encoding: of a text catalogue that is not UTF-8.
            delimiter: of a CSV, where the guess is wrong.
            feed: how the catalogue is read, where it does not tell; whether its photos are fetched.
            cluster: embed on a Ray cluster instead, and write into a server from there; the
                collection is that of a local run. See docs/scale.md.
            progress: called with (stage, done, total).

        Raises:
            CatalogError: the catalogue cannot be read, or has bad rows under ``strict``.
            ModelError: weights are missing or cannot be used.
            StoreError: the store cannot be opened or written.
        """
        with (
            self._opened.catalog_file(catalog, dry_run=dry_run, progress=progress) as file,
            self._opened.keeping(dry_run=dry_run) as keep,
        ):
            reader = read_catalog(
                file.path,
                image_root=image_root,
                columns=columns,
                on_duplicate=on_duplicate,
                encoding=encoding,
                delimiter=delimiter,
                feed=self._opened.feed(feed),
                keep=keep,
                stored=self._opened.stored_types(),
                spaces=self._opened.stored_spaces(),
                site=file.site,
                doubt=file.doubt,
            )
            return indexing.index(
                self._opened,
                reader,
                notes=file.notes,
                strict=strict,
                prune=prune,
                dry_run=dry_run,
                cluster=cluster,
                progress=progress,
            )

    def put(
        self,
        items: Sequence[Item],
        *,
        fields: Mapping[str, FieldType] | None = None,
        load: Callable[[str], Scene] | None = None,
        settle: bool = False,
    ) -> indexing.IndexOutcome:
        """Insert items, or replace those that are there; only what changed is worked on.

        What is written is durable and found when this returns. Only the points of these items
        are read, so it costs the same in a large collection.

        Args:
            items: ids unique.
            fields: types of their attributes; by default those of the collection, and for new
                attributes what their values say.
            load: path to scene; raises ImageError. By default photos are decoded in this process.
            settle: also do what :meth:`settle` does.

        Raises:
            CollectionMismatchError: the collection was made with other models or rules, or has
                a field of another type.
            ModelError: weights are missing or cannot be used.
            StoreError: the store cannot be opened or written.
        """
        return indexing.put(self._opened, items, fields=fields, load=load, settle=settle)

    def set_attributes(
        self, items: Sequence[Item], *, fields: Mapping[str, FieldType] | None = None
    ) -> indexing.IndexOutcome:
        """Replace all attributes of stored items; their photos are neither read nor changed.

        Args:
            items: stored ones, with all of their attributes.
            fields: as for :meth:`put`.

        Raises:
            StoreError: there is no collection, or it cannot be written.
        """
        return indexing.set_attributes(self._opened, items, fields=fields)

    def settle(self) -> tuple[str, ...]:
        """Make searches fast again after many :meth:`put`; may take seconds.

        Returns:
            What a user should know.

        Raises:
            StoreError: the store cannot be written.
        """
        return indexing.settle(self._opened)

    def sync(
        self,
        catalog: str | Path,
        *,
        rules: SyncRules | None = None,
        dry_run: bool = False,
        planned: Callable[[SyncReport], None] | None = None,
        progress: Progress | None = None,
        image_root: str | Path | None = None,
        columns: Mapping[str, str] | None = None,
        on_duplicate: OnDuplicate = "error",
        encoding: str | None = None,
        delimiter: str | None = None,
        max_rows: int = MAX_ROWS,
        feed: FeedOptions | None = None,
        cluster: RayOptions | None = None,
    ) -> SyncReport:
        """Make the collection like a manifest: insert, update and delete; see docs/sync.md.

        Args:
            catalog: as for :meth:`index`.
            rules: what it may delete, and whether new items are audited.
            dry_run: plan only; changes nothing.
            planned: called with the plan before anything is changed; what it raises stops the
                sync.
            progress: called with (stage, done, total).
            image_root: as for :meth:`index`.
            columns: likewise.
            on_duplicate: likewise.
            encoding: likewise.
            delimiter: likewise.
            max_rows: a manifest with more is refused.
            feed: likewise.
            cluster: likewise; new photos are also audited there.

        Raises:
            CatalogError: the manifest cannot be read, or too much would be deleted.
            StoreError: the store cannot be used, or another sync is running.
        """
        with (
            self._opened.catalog_file(catalog, dry_run=dry_run, progress=progress) as file,
            self._opened.keeping(dry_run=dry_run) as keep,
        ):

            def read() -> CatalogReader:
                return read_catalog(
                    file.path,
                    image_root=image_root,
                    columns=columns,
                    on_duplicate=on_duplicate,
                    encoding=encoding,
                    delimiter=delimiter,
                    max_rows=max_rows,
                    feed=self._opened.feed(feed),
                    keep=keep,
                    stored=self._opened.stored_types(),
                    spaces=self._opened.stored_spaces(),
                    site=file.site,
                    doubt=file.doubt,
                )

            return indexing.sync(
                self._opened,
                read,
                rules,
                dry_run=dry_run,
                cluster=cluster,
                planned=planned,
                progress=progress,
                notes=file.notes,
            )

    def syncing(self) -> AbstractContextManager[None]:
        """Keep other syncs of this collection out while a ``with`` lasts, however many it does.

        The store is open during each sync only, so that others can use it between two of them;
        the models stay loaded.

        Raises:
            StoreError: another sync is running.
        """
        return indexing.syncing(self._opened)

    # --- photos, words, items and vectors to a look ----------------------------------------

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
        refine: Iterable[str | Turn] = (),
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
            refine: turns that narrow the answer, each about what those before it leave: "in
                walnut", "cheaper", or ``Turn(where="price < 300", object=2)`` for one object
                alone; see docs/refine.md.
            **options: see docs/options.md; as the settings have them where left out.

        Raises:
            ImageError: the photo cannot be read.
            QueryError: the query or an option makes no sense.
            StoreError: there is no collection, or it was made with other models.
        """
        query = Query(
            scene=self._opened.scene(photo),
            boxes=tuple(boxes),
            point=point,
            texts=_weighted(text),
            items=_weighted(items),
            words=words,
            refine=_turns(refine),
        )
        return self._opened.searcher.look(query, self._opened.options(where, options))

    @showing_options
    def search(
        self,
        words: str | ParsedWords | None = None,
        *,
        text: str | Weighted = (),
        photos: ImageSource | Scene | Weighted = (),
        items: str | Weighted = (),
        vectors: Sequence[WeightedVector] | NDArray[np.float32] = (),
        where: str | Condition | None = None,
        refine: Iterable[str | Turn] = (),
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
            vectors: embeddings of the caller, with weights; with the name of their space such as
                came with the catalogue: ``[(vector, 1.0, "clip")]``.
            where: a filter; see docs/filters.md.
            refine: as for :meth:`shop_the_look`, but for objects.
            **options: see docs/options.md; as the settings have them where left out.

        Raises:
            ImageError: a photo cannot be read.
            QueryError: the query or an option makes no sense.
            StoreError: there is no collection, or it was made with other models.
        """
        if isinstance(vectors, np.ndarray):
            vectors = [(vectors, 1.0)]
        query = Query(
            products=tuple((self._opened.scene(p), w) for p, w in _weighted(photos)),
            texts=_weighted(text),
            items=_weighted(items),
            vectors=tuple(vectors),
            words=words,
            refine=_turns(refine),
        )
        return self._opened.searcher.look(query, self._opened.options(where, options))

    def understand(self, words: str, *, strict_category: bool = False) -> ParsedWords:
        """What some words ask for in this collection, to be corrected and searched with.

        Args:
            words: as for :meth:`search`.
            strict_category: make the category a filter instead of a preference.

        Raises:
            QueryError: the text is too long.
            StoreError: there is no collection, or it was made with other models.
        """
        return self._opened.searcher.understand(words, strict_category=strict_category)

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
        query = Query(scene=self._opened.scene(photo), boxes=tuple(boxes))
        return self._opened.searcher.prepare(query, regions)

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
        return self._opened.searcher.answer(prepared, self._opened.options(where, options))

    def regions(self, photo: ImageSource | Scene) -> list[Region]:
        """What would be searched in a photo; needs no collection."""
        return self._opened.searcher.regions(Query(scene=self._opened.scene(photo)))

    def basket(
        self,
        look: Look | ImageSource | Scene,
        budget: float,
        *,
        currency: str | None = None,
        keep: Mapping[int, str | None] | None = None,
        same_category: bool = False,
        where: str | Condition | None = None,
    ) -> Baskets:
        """The whole look under a budget: one product an object, with alternatives.

        Args:
            look: of :meth:`shop_the_look`, whose lists are chosen from, or a photo.
            budget: the most that a basket costs.
            currency: of the budget; by default the one that most products have.
            keep: products to keep, by number of the object from 1, which is how one is swapped;
                None to buy nothing for that object.
            same_category: no product of another category than the object's first match.
            where: a filter, where a photo is given.

        Raises:
            ImageError: the photo cannot be read.
            QueryError: the budget makes no sense, or what is kept is not there or costs more.
            StoreError: there is no collection, or it was made with other models.
        """
        if not isinstance(look, Look):
            look = self.shop_the_look(look, where=where, per_region=LIST_LENGTH)
        elif where is not None:
            raise QueryError(
                "A look was filtered already; give where with a photo", code="bad_option"
            )
        return baskets_of(
            self._opened,
            look,
            budget,
            currency=currency,
            keep=keep or {},
            same_category=same_category,
        )

    @showing_options
    def match_to(
        self,
        out: str | Path,
        *sources: str | Path,
        top: int = 5,
        one_thing: bool = False,
        where: str | Condition | None = None,
        run: RunOptions | None = None,
        progress: Callable[[TagProgress], None] | None = None,
        **options: Unpack[SearchKeywords],
    ) -> TagSummary:
        """Search photos by the folder into a table, going on where an earlier run stopped.

        Args:
            out: ends in ``.parquet``, ``.jsonl`` or ``.csv``; a line for each match.
            *sources: as for :meth:`tag`.
            top: matches of each object.
            one_thing: each photo shows one product; nothing is detected in it.
            where: a filter.
            run: batches, workers and limits of time.
            progress: called now and then.
            **options: see docs/options.md; as the settings have them where left out.

        Raises:
            CatalogError: there are no photos, or a manifest cannot be read.
            ModelError: the models failed.
            NoSpaceError: the disk is full; what was finished stays.
            QueryError: an option makes no sense.
            StoreError: there is no collection, or the ledger cannot be used.
        """
        return match_to(
            self._opened,
            out,
            sources,
            top=top,
            one_thing=one_thing,
            where=where,
            options=options,
            run=run,
            progress=progress,
        )

    # --- what goes together ----------------------------------------------------------------

    def complete(
        self,
        items: str | Iterable[str] | Mapping[str, float] | Look | None = None,
        *,
        photo: ImageSource | Scene | None = None,
        limit: int = 12,
        per_category: int = 3,
        where: str | Condition | None = None,
        options: CompleteOptions | None = None,
    ) -> Completion:
        """What goes with items, a look or the scene of a photo, from other categories.

        Args:
            items: an id, ids, weights by id, or a look.
            photo: a scene instead: what is found in it is there already.
            limit: the most suggestions.
            per_category: the most suggestions of one category.
            where: a filter; see docs/filters.md.
            options: see docs/complete.md.

        Raises:
            QueryError: an unknown item, none, or an option that makes no sense.
            StoreError: there is no collection.
        """
        if photo is not None:
            if items is not None:
                raise QueryError("Give items or a photo, not both", code="bad_option")
            items = self.shop_the_look(photo)
        elif items is None:
            raise QueryError("Give items or a photo to complete", code="empty_query")
        where = self._opened.parse(where)
        return self._opened.completer.complete(
            items, limit=limit, per_category=per_category, where=where, options=options
        )

    def learn_scenes(
        self,
        scenes: str | Path | Iterable[KnownScene],
        *,
        image_root: str | Path | None = None,
    ) -> ScenesAdded:
        """Keep scenes whose items are known: a JSONL of image and items, or the scenes.

        Raises:
            CatalogError: the file cannot be read, or a line is not of that form.
            QueryError: a scene has no items or too many, or there are too many scenes.
            StoreError: there is no collection, or it cannot be written.
        """
        if isinstance(scenes, str | Path):
            root = Path(image_root) if image_root is not None else None
            truths = read_truths(Path(scenes), image_root=root)
            # a photo in which nothing matches says nothing here
            scenes = [KnownScene(t.items, str(t.image), t.group) for t in truths if t.items]
        return self._opened.completer.known.add(scenes)

    def scenes_of(self, item_id: str, limit: int = 20) -> tuple[ItemScene, ...]:
        """The scenes an item appears in: known ones, then photos with something like it.

        Raises:
            QueryError: neither the collection nor a scene has such an item.
            StoreError: there is no collection.
        """
        there = self._opened.photos.schema is not None
        photos = (ScenesBySight(self._opened.finder, self.store),) if there else ()
        return Completer(self.store, scene_sources=photos).scenes_of(item_id, limit)

    # --- photos of scenes ------------------------------------------------------------------

    def tag(
        self,
        *sources: str | Path,
        options: TagOptions | None = None,
        run: RunOptions | None = None,
        fill: bool = False,
    ) -> Iterator[TagRow]:
        """What is in photos, a row each, as they come; no row is kept.

        Photos are decoded in processes of their own, so a script needs the usual
        ``if __name__ == "__main__":``.

        Args:
            *sources: folders, photos, globs, manifests, or addresses such as ``s3://...``.
            options: what a row has; see docs/tagging.md.
            run: batches, workers and limits of time.
            fill: also put the photos into the collection that :meth:`scenes` searches.

        Raises:
            CatalogError: there are no photos, or a manifest cannot be read.
            ModelError: the models failed.
            StoreError: the collection cannot be used.
        """
        return scenes.tag(self._opened, sources, options, run, fill=fill)

    def tag_to(
        self,
        out: str | Path,
        *sources: str | Path,
        options: TagOptions | None = None,
        run: RunOptions | None = None,
        fill: bool = False,
        cluster: RayOptions | None = None,
        progress: Callable[[TagProgress], None] | None = None,
    ) -> TagSummary:
        """Tag photos into a table, going on where an earlier run stopped.

        Args:
            out: ends in ``.parquet``, ``.jsonl`` or ``.csv``.
            *sources: as for :meth:`tag`.
            options: what a row has.
            run: batches, workers and limits of time.
            fill: also put the photos into the collection that :meth:`scenes` searches.
            cluster: work on a Ray cluster instead; its nodes can only fill a server's collection.
            progress: called now and then.

        Raises:
            CatalogError: there are no photos, or a manifest cannot be read.
            ModelError: the models failed.
            NoSpaceError: the disk is full; what was finished stays.
            StoreError: the ledger or the collection cannot be used.
        """
        return scenes.tag_to(
            self._opened, out, sources, options, run, fill=fill, cluster=cluster, progress=progress
        )

    def scenes(self, *, vocabulary: Path | None = None) -> SceneFinder:
        """Finds photos: by what is in them, by a photo like them, by a product in them.

        Args:
            vocabulary: YAML of names and synonyms, instead of the package's; see docs/tagging.md.

        Raises:
            ConfigError: the vocabulary cannot be read.
            StoreError: no photos were indexed in this store.
        """
        if vocabulary is None:
            return self._opened.finder
        return build_scene_finder(self._opened.photos, self._opened.scenes, vocabulary)

    def add_scenes(
        self,
        photos: Iterable[str],
        *,
        load: Callable[[str], Scene] | None = None,
        known: KnownItems | None = None,
        options: TagOptions | None = None,
        again: bool = False,
        settle: bool = False,
        progress: Callable[[int], None] | None = None,
    ) -> SceneReport:
        """Put photos into the collection that :meth:`scenes` searches; durable when it returns.

        They can be compared with the items of the same store, where it has any.

        Args:
            photos: paths; each names its photo.
            load: path to scene; raises ImageError. By default photos are decoded in this process.
            known: products of the photos.
            options: what is kept of a photo; see docs/tagging.md.
            again: also tag photos anew that are there unchanged.
            settle: also make searches fast again after so many photos, which may take seconds.
            progress: called with how many photos are done.

        Raises:
            CollectionMismatchError: the photos that are there were made with other models, or
                the items were projected in another way since.
            ModelError: the models failed.
            StoreError: the collection cannot be written.
        """
        report = scenes.add(
            self._opened,
            photos,
            load=load,
            known=known,
            options=options,
            again=again,
            progress=progress,
        )
        if settle:
            self._opened.photos.optimize()
        return report

    def forget_scenes(self, sha256: Sequence[str] = (), *, photos: Sequence[str] = ()) -> int:
        """Remove photos; returns how many there were.

        Args:
            sha256: of their files, whatever these are called.
            photos: as they were named when they were added.

        Raises:
            StoreError: no photos were indexed in this store, or it cannot be written.
        """
        index = self._opened.scene_index()
        return index.forget_content(sha256) + index.forget(photos)

    def count_scenes(self) -> int:
        """How many photos :meth:`scenes` searches.

        Raises:
            StoreError: no photos were indexed in this store.
        """
        return self._opened.scene_index().count()

    def hashed_scenes(self) -> list[HashedPhoto]:
        """The photos that :meth:`scenes` searches, as near-duplicates are told by.

        See :func:`scenesearch.scenes.deduplication.find_duplicates`.

        Raises:
            StoreError: no photos were indexed in this store.
        """
        self._opened.scene_index()
        return list(stored_photos(self._opened.photos))

    def encode_scene(self, photo: ImageSource | Scene) -> EncodedRegion:
        """A photo for :meth:`SceneFinder.like <scenesearch.scenes.SceneFinder.like>`.

        Raises:
            CollectionMismatchError: the collection was made with other models.
            ImageError: the photo cannot be read.
        """
        return scenes.encode(self._opened, photo)

    # --- what is stored --------------------------------------------------------------------

    def get(self, item_id: str) -> Item | None:
        """An item as it is stored, or None."""
        self._opened.fields()
        page = self.store.scroll(where=Equals("item_id", item_id), limit=1000)
        if not page.records:
            return None
        ordered = sorted(page.records, key=lambda r: int(r.payload.get("photo_index", 0)))
        photos = tuple(dict.fromkeys(str(r.payload.get("photo")) for r in ordered))
        return Item(item_id, photos, attributes_of(ordered[0].payload))

    def delete(self, *, ids: Sequence[str] = (), where: str | Condition | None = None) -> int:
        """Remove items by id or by filter; returns how many points are gone.

        An item goes whole, also when the filter holds for one of its photos only.

        Raises:
            QueryError: neither ids nor a filter is given.
            StoreError: there is no collection, or it cannot be written.
        """
        return self._opened.delete(ids, where).points

    def values(self, field: str) -> dict[str, str]:
        """A field's value of every item that has one.

        Raises:
            QueryError: the collection has no such field.
        """
        fields = self._opened.fields()
        if field not in fields:
            raise QueryError(
                f"Unknown field {field!r}; the collection has {', '.join(sorted(fields))}",
                code="unknown_field",
            )
        return {
            str(record.payload["item_id"]): str(record.payload[field])
            for record in scroll_all(self.store, fields=("item_id", field))
            if is_ours(record.payload) and record.payload.get(field) is not None
        }

    def likeness(self, point_ids: Sequence[str]) -> float:
        """Mean cosine between stored points (intra-list similarity), -1 to 1."""
        found = self.store.retrieve(point_ids, spaces=(CUTOUT,))
        n = len(found)
        if n < 2:
            return 0.0
        rows = np.stack([record.vectors[CUTOUT] for record in found])
        return float(((rows @ rows.T).sum() - n) / (n * (n - 1)))

    def count(self, where: str | Condition | None = None) -> int:
        """How many points (regions of photos) the collection holds."""
        self._opened.fields()
        return self.store.count(self._opened.parse(where))

    def verify(
        self, *, deep: bool = False, repair: bool = False, progress: Progress | None = None
    ) -> Report:
        """See whether what this store keeps is what was written: collections, cache, photos.

        Nothing else may have it open; this object opens it again with its next call.

        Args:
            deep: read everything, instead of counts and some points.
            repair: mend it, from what is whole and from the embedding cache.
            progress: called with (stage, done, total).

        Raises:
            StoreError: there is no such store.
        """
        return verifying.verify_store(self._opened, deep=deep, repair=repair, progress=progress)


def _turns(refine: Iterable[str | Turn]) -> tuple[Turn, ...]:
    turns = (refine,) if isinstance(refine, str | Turn) else refine
    return tuple(Turn(words=turn) if isinstance(turn, str) else turn for turn in turns)


def _weighted(parts: Any) -> tuple[tuple[Any, float], ...]:
    """One thing, several things, or things with weights, as pairs."""
    if isinstance(parts, Mapping):
        return tuple((part, float(weight)) for part, weight in parts.items())
    if isinstance(parts, list | tuple):
        return tuple((part, 1.0) for part in parts)
    return ((parts, 1.0),)
