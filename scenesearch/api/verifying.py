"""Looking through a whole store, and mending it: its collections, and the files beside them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing, suppress
from hashlib import sha256
from pathlib import Path

from scenesearch import wiring
from scenesearch.api.generations import GenerationTasks
from scenesearch.api.opened import Opened
from scenesearch.complete.completer import CENTRES_BLOB
from scenesearch.complete.known_scenes import BLOB as KNOWN_BLOB
from scenesearch.complete.known_scenes import encode_scenes
from scenesearch.core.errors import ModelError, SceneSearchError, StoreError, StoreUnavailableError
from scenesearch.core.points import FIELDS, NOTHING, OOD_BLOB, PROJECTION_BLOB, SCHEMA_VERSION
from scenesearch.core.protocols import Inspectable, Store
from scenesearch.core.types import CollectionSchema
from scenesearch.fetch.address_book import FORM as ADDRESSES
from scenesearch.index.plan import IndexPlan
from scenesearch.index.run import Progress
from scenesearch.models.embed.projection import projection_of
from scenesearch.store.generations import name_of, split_name
from scenesearch.system.sqlite_file import Form
from scenesearch.tagging.ledger import FORM as LEDGER
from scenesearch.verify.cache import check_cache, mend_cache
from scenesearch.verify.collection import Checking, State
from scenesearch.verify.files import check_file, mend_file
from scenesearch.verify.mend import readable_points, work_of
from scenesearch.verify.photos import check_photos
from scenesearch.verify.report import Finding, Report

log = logging.getLogger(__name__)

FORMS: Mapping[str, Form] = {".ledger": LEDGER, "addresses.sqlite": ADDRESSES}
"""Files by the ends of their names."""
AGAIN = "index the catalogue again, which embeds nothing that the embedding cache has"


def verify_store(
    opened: Opened,
    *,
    deep: bool = False,
    repair: bool = False,
    collections: Sequence[str] = (),
    forms: Mapping[str, Form] | None = None,
    progress: Progress | None = None,
) -> Report:
    """As :meth:`SceneSearch.verify`.

    Args:
        opened: names the store and the models; what it has open is given back first.
        deep: read everything.
        repair: mend what can be mended.
        collections: which; all of a folder, or those of ``opened``, by default.
        forms: of further files beside an embedded store, by name.
        progress: called with (stage, done, total).
    """
    opened.rest()
    report = Report()
    address = opened.address
    if not wiring.is_url(address):
        folder = Path(address)
        if not folder.is_dir():
            raise StoreError(f"there is no {folder}: expected the folder of a store, or a file")
        for path in _files(folder):
            report += verify_file(path, deep=deep, repair=repair, forms=forms)
        for root in sorted((opened.state_dir / "photos").glob("*/")):
            report += check_photos(root, deep=deep, repair=repair)
        report += _aside(folder)
    names = list(collections) or _collections(opened)
    for name in names:
        report += _Collection(opened, name, deep=deep, progress=progress).report(repair=repair)
    return report


def _files(folder: Path) -> list[Path]:
    return [*sorted(folder.glob("*.sqlite")), *sorted(folder.glob("photos/*/*.sqlite"))]


def _aside(folder: Path) -> Report:
    """What earlier repairs set aside; one that was killed could not say so."""
    said = "what was here before a repair; delete it when nothing is missing"
    names = sorted(path.name for path in folder.glob("*.damaged-*"))
    return Report(findings=tuple(Finding(name, "aside", said, damage=False) for name in names))


def _generation_of(opened: Opened, name: str) -> Opened:
    """The generation that a collection is, with its own models."""
    collection, number = split_name(name)
    found = opened.record.read() if collection == opened.collection else None
    if found is None or number not in found.numbers or number == opened.generation.number:
        return opened
    return opened.of(found.of(number))


def _collections(opened: Opened) -> list[str]:
    if not wiring.is_url(opened.address):
        return wiring.list_collections(opened.settings, opened.address, damaged=True)
    names = []
    found = opened.record.read()
    items = (
        [opened.collection]
        if found is None
        else [name_of(opened.collection, number) for number in found.numbers]
    )
    for name in (*items, opened.scenes):
        with closing(wiring.build_inspected(opened.settings, opened.address, name)) as store:
            there = True
            try:
                there = store.schema is not None
            except StoreUnavailableError:
                raise
            except StoreError as error:
                log.debug("%s: %s", name, error)  # looked at in its turn, and then said
        if there or name in items:
            names.append(name)
    return names


def verify_file(
    path: Path, *, deep: bool = False, repair: bool = False, forms: Mapping[str, Form] | None = None
) -> Report:
    """Look through one file: an embedding cache, a ledger, or another that ``forms`` names.

    Args:
        path: of the file.
        deep: read everything of a cache; the others are always read whole.
        repair: write it anew with what of it is what was written; the damaged one is set aside.
        forms: further ones, by the ends of their names.

    Raises:
        StoreError: it is none of these.
    """
    known = {**FORMS, **(forms or {})}
    form = next((form for end, form in known.items() if path.name.endswith(end)), None)
    if form is None and path.suffix != ".sqlite":
        raise StoreError(
            f"{path} is no file that can be verified: expected the folder or address of a store, "
            f"the output of a tagging run or its .ledger, or one of the .sqlite files of a store"
        )

    def check() -> Report:
        return check_cache(path, deep=deep) if form is None else check_file(path, form)

    report = check()
    if report.sound or not repair:
        return report
    try:
        mended = mend_cache(path) if form is None else mend_file(path, form)
    except (SceneSearchError, OSError) as error:
        return report + Report(findings=(Finding(str(path), "unreadable", f"not mended: {error}"),))
    how = f"written anew: {mended.kept} rows kept, {mended.left} left out; before: {mended.aside}"
    return _after(report, check(), how)


def _after(before: Report, after: Report, how: str) -> Report:
    """What was found, as repaired where it is not found any more."""
    still = {(one.where, one.code) for one in after.findings if one.damage}
    findings = tuple(
        one.mended(how) if one.damage and (one.where, one.code) not in still else one
        for one in before.findings
        if not (one.damage and (one.where, one.code) in still)
    )
    return Report(after.checked, findings + tuple(one for one in after.findings if one.damage))


class _Collection:
    """One collection of a store."""

    def __init__(self, opened: Opened, name: str, *, deep: bool, progress: Progress | None) -> None:
        self._name = name
        self._opened = _generation_of(opened, name)
        self._items = split_name(name)[0] == opened.collection
        self._deep = deep
        self._url = wiring.is_url(opened.address)
        self._report: Callable[[int, int], None] | None = None
        if progress is not None:
            self._report = lambda done, total: progress("verify", done, total)

    def report(self, *, repair: bool) -> Report:
        state = self._check(deep=self._deep)
        if state.report.sound or not repair:
            return state.report
        # what is mended must be known whole
        state = state if self._deep else self._check(deep=True)
        how = self._mend(state)
        self._opened.rest()
        return _after(state.report, self._check(deep=True).report, "; ".join(how) or "mended")

    def _check(self, *, deep: bool) -> State:
        opened = self._opened
        with (
            closing(wiring.build_inspected(opened.settings, opened.address, self._name)) as store,
            closing(wiring.build_cache(opened.settings, opened.address)) as cache,
        ):
            return Checking(
                store, self._name, cache, deep=deep, shards=self._url, progress=self._report
            ).run()

    def _mend(self, state: State) -> list[str]:
        how: list[str] = []
        codes = {one.code for one in state.report.findings if one.damage}
        if state.schema is None:
            return how  # without its record nobody knows what the points are
        if not self._url and (not state.readable or state.rebuild):
            if not state.readable:
                # what keeps it from being opened may lie in what can be made of the rest
                wiring.forget_indexes(Path(self._opened.address), self._name)
            how.append(self._rebuild(state.schema))
        steps: list[Callable[[State], str]] = []
        if "projection" in codes:
            steps.append(self._restore_projection)
        if "blob" in codes:
            steps.append(self._forget_blobs)
        if state.points is not None and state.points.wrong:
            steps.append(self._rewrite)
        if (state.fields and self._url) or (state.fields and not state.rebuild):
            steps.append(self._reindex)
        for step in steps:
            try:
                how.append(step(state))
            except (SceneSearchError, OSError) as error:
                how.append(f"not mended: {error}")
        return [one for one in how if one]

    def _store(self) -> closing[Store]:
        opened = self._opened
        return closing(wiring.build_inspected(opened.settings, opened.address, self._name))

    def _rebuild(self, schema: CollectionSchema) -> str:
        opened, count, recorded = self._opened, 0, None
        with self._store() as old:
            with suppress(SceneSearchError):
                recorded = old.recorded_census() if isinstance(old, Inspectable) else None
            blobs: dict[str, bytes] = {}
            for name in (*schema.blobs, OOD_BLOB, CENTRES_BLOB, KNOWN_BLOB):
                with suppress(SceneSearchError):
                    data = old.read_blob(name)
                    if data is not None:
                        blobs[name] = data
            made_with = {
                name: data
                for name, data in blobs.items()
                if schema.blobs.get(name) == sha256(data).hexdigest()
            }
            with wiring.rebuilding(
                opened.settings, Path(opened.address), self._name, schema
            ) as new:
                new.create(schema, made_with)
                for name in blobs.keys() - made_with.keys() - schema.blobs.keys():
                    new.write_blob(name, blobs[name])
                for points in readable_points(old, schema):
                    new.upsert(points)
                    count += len(points)
                new.optimize()
                old.close()
        if recorded is not None and count >= recorded.points:
            return f"written anew with all {count} points"
        return f"written anew with {count} points that could be read; if it had more, {AGAIN}"

    def _restore_projection(self, state: State) -> str:
        schema = state.schema
        assert schema is not None
        wanted = schema.blobs.get(PROJECTION_BLOB)
        for data in self._projections(state):
            if sha256(data).hexdigest() == wanted:
                with self._store() as store:
                    store.write_blob(PROJECTION_BLOB, data)
                return "its projection was worked out again, and is the same"
        if not self._items:
            raise StoreError(
                "its projection cannot be worked out again, since the photos are not those that it "
                "was fitted on; restore it from a backup, or index into a new --collection"
            )
        return self._reproject()

    def _reproject(self) -> str:
        """Another projection, in another generation: what is there cannot be compared any more."""
        opened = self._opened
        opened.rest()
        built = GenerationTasks(lambda: opened, opened.rest).reproject()
        self._name = name_of(opened.collection, built.number)
        return (
            f"its projection was fitted anew on what it holds, in {self._name!r}, which answers "
            f"from here on; {built.embedded} photos embedded again"
        )

    def _projections(self, state: State) -> list[bytes]:
        """What could be the one that was lost."""
        opened, found = self._opened, []
        for name in {opened.collection, opened.scenes} - {self._name}:
            with (
                suppress(SceneSearchError),
                closing(wiring.build_inspected(opened.settings, opened.address, name)) as store,
            ):
                if store.schema is not None and (other := projection_of(store)) is not None:
                    found.append(other.to_bytes())
        if state.points is not None:
            photos = {photo for _, photo in state.points.photos}
            with suppress(SceneSearchError), self._store() as store:
                indexer = wiring.build_indexer(
                    opened.parts, store, opened.collection, opened.embeddings
                )
                fitted = indexer.refit(photos)
                if fitted is not None:
                    found.append(fitted.to_bytes())
        return found

    def _forget_blobs(self, state: State) -> str:
        names = [
            name
            for name in (OOD_BLOB, CENTRES_BLOB, KNOWN_BLOB)
            if any(
                one.code == "blob" and one.what.startswith(name) for one in state.report.findings
            )
        ]
        with self._store() as store:
            for name in names:
                store.write_blob(name, encode_scenes(()) if name == KNOWN_BLOB else NOTHING)
            if OOD_BLOB in names:
                opened = self._opened
                wiring.build_indexer(
                    opened.parts, store, opened.collection, opened.embeddings
                ).finish()
        again = "; known scenes must be added again" if KNOWN_BLOB in names else ""
        return f"{', '.join(names)} made anew{again}"

    def _rewrite(self, state: State) -> str:
        schema, points = state.schema, state.points
        assert schema is not None
        assert points is not None
        if schema.metadata.get("schema") != SCHEMA_VERSION:
            with self._store() as store:
                store.delete(ids=sorted(points.wrong))
            return f"{len(points.wrong)} points of photos removed; run scenes index again"
        work = work_of(points, schema)
        said = []
        with self._store() as store:
            if work.delete:
                store.delete(ids=list(work.delete))
                said.append(
                    f"{len(work.delete)} points removed of which nobody knows what they were; "
                    f"{AGAIN}"
                )
            if work.rewrite:
                fields = {k: v for k, v in schema.fields.items() if k not in FIELDS}
                try:
                    indexer = wiring.build_indexer(
                        self._opened.parts,
                        store,
                        split_name(self._name)[0],
                        self._opened.embeddings,
                    )
                    done = indexer.run(IndexPlan(work.rewrite), fields)
                except ModelError as error:
                    raise StoreError(f"{len(work.rewrite)} items need a model: {error}") from error
                said.append(
                    f"{done.from_cache} photos of {len(work.rewrite)} items written again from the "
                    f"embedding cache, {done.embedded} embedded again"
                )
                said += [f"{one.photo}: {one.reason}" for one in done.failures[:3]]
        return "; ".join(said)

    def _reindex(self, state: State) -> str:
        with self._store() as store:
            assert isinstance(store, Inspectable)
            store.reindex(state.fields)
        return f"indexes made anew: {', '.join(state.fields)}"
