"""Generations of a collection: the next one built beside the one that answers, then switched to.

Building reads what the collection holds and writes it anew with other models, another projection,
other rules. Meanwhile whoever writes writes to both (:meth:`Opened.write_to_others`). The switch
replaces one record; each answer is of the generation that its request began with.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from scenesearch import wiring
from scenesearch.api.comparing import compare_generations
from scenesearch.api.handover import Handover
from scenesearch.api.opened import Opened
from scenesearch.complete.known_scenes import BLOB as KNOWN_BLOB
from scenesearch.config.settings import Settings
from scenesearch.core.batches import scroll_all
from scenesearch.core.errors import (
    ConfigError,
    StoreError,
    StoreUnavailableError,
)
from scenesearch.core.points import MUST_MATCH, PROJECTION_BLOB, check_models, is_ours, schema_of
from scenesearch.index.follow import Followed
from scenesearch.index.indexer import MIN_PHOTOS_PER_DIMENSION
from scenesearch.index.run import Progress
from scenesearch.store.generations import FIRST, Generation, Generations, name_of
from scenesearch.store.priced import unwrapped

NOTICE_S = 2.0
"""Whoever serves from a server reads the record once a second."""
CLOSE_S = 20.0
"""For services that still have a dropped generation open."""
ROUNDS = 10
"""In each of which a generation is made like the other; there is little left after two."""


@dataclass(frozen=True, slots=True)
class Built:
    """What building a generation came to.

    Attributes:
        number: of the generation.
        points: that it has.
        embedded: photos that went through the models.
        failures: photos that it lacks, with the reason.
        notes: what a user should know.
        seconds: that it took.
    """

    number: int
    points: int
    embedded: int
    failures: tuple[str, ...]
    notes: tuple[str, ...]
    seconds: float


def do(
    opened: Opened, what: str, values: Mapping[str, Any], progress: Progress | None = None
) -> Any:
    """Do something about the generations of a collection, wherever it is open.

    Args:
        opened: the collection; given back in the end.
        what: a name that :meth:`GenerationTasks.do` knows.
        values: for it.
        progress: called with (stage, done, total).

    Raises:
        SceneSearchError: as that says.
    """
    embedded = not wiring.is_url(opened.address)
    schema_of(opened.store)
    try:
        if embedded:
            opened.store.count()
    except StoreUnavailableError:
        # whoever has it open does it
        return Handover(Path(opened.address), opened.collection).ask(what, values, progress)
    return GenerationTasks(lambda: opened, opened.rest, progress).do(what, values)


class GenerationTasks:
    """What can be done about the generations of a collection.

    Args:
        active: gives the generation that answers.
        switched: called when another one does.
        progress: called with (stage, done, total).
    """

    def __init__(
        self,
        active: Callable[[], Opened],
        switched: Callable[[], None],
        progress: Progress | None = None,
    ) -> None:
        self._find_active = active
        self._switched = switched
        self._progress = progress

    @property
    def _active(self) -> Opened:
        return self._find_active()

    def do(self, what: str, values: Mapping[str, Any]) -> Any:
        """One of these by its name, as JSON values.

        Raises:
            SceneSearchError: as that says.
        """
        match what:
            case "list":
                return self.list()
            case "build":
                config = Generation(0, values["config"])
                return asdict(self.build(wiring.settings_of(self._active.given, config)))
            case "switch":
                return self.switch(int(values["generation"]))
            case "back":
                return self.back()
            case "drop":
                return self.drop(int(values["generation"]))
            case "compare":
                return self.compare(
                    values.get("generation"), values.get("truth"), int(values["sample"])
                )
            case "reproject":
                return asdict(self.reproject())
        raise StoreError(f"no {what!r} can be done about generations")

    def list(self) -> list[dict[str, Any]]:
        """Every generation as JSON values."""
        active = self._active
        found = active.record.read() or _first(active, "")
        described = []
        for one in found.every:
            opened = active if one.number == found.active else self._of(one.number)
            schema = opened.store.schema
            described.append(
                {
                    "generation": one.number,
                    "collection": name_of(active.collection, one.number),
                    "answers": one.number == found.active,
                    "built": one.whole,
                    "made": one.made or None,
                    "points": 0 if schema is None else opened.store.count(),
                    "made_with": {} if schema is None else dict(schema.metadata),
                    "vectors": {} if schema is None else dict(schema.vectors),
                    "projection": schema is not None and PROJECTION_BLOB in schema.blobs,
                }
            )
        return described

    # --- building --------------------------------------------------------------------------

    def build(self, settings: Settings | None = None) -> Built:
        """Begin the next generation, or go on where building it was stopped; then to its end.

        Args:
            settings: that it is made with; those of the active one by default.

        Raises:
            StoreError: there is no collection, or another generation beside it already.
            SceneSearchError: it cannot be built with these settings.
        """
        begun = time.perf_counter()
        active = self._active
        number = self._begin(active, active.settings if settings is None else settings)
        new = self._of(number)
        done = self._made_like(new, active)
        if wiring.is_url(active.address):
            # whoever did not know of it yet wrote to the old one alone
            time.sleep(max(0.0, NOTICE_S - (time.perf_counter() - begun)))
        rest = self._made_like(new, active)
        notes = wiring.build_indexer(new.parts, new.store, new.collection, new.embeddings).finish()
        new.changed()
        _carry(active, new)
        active.record.change(
            lambda found: _known(found).having(replace(_known(found).of(number), whole=True))
        )
        active.others(fresh=True)
        return Built(
            number,
            new.store.count(),
            done.embedded + rest.embedded,
            tuple(dict.fromkeys(f"{one.photo}: {one.reason}" for one in rest.failures)),
            tuple(dict.fromkeys((*done.notes, *rest.notes, *notes))),
            round(time.perf_counter() - begun, 2),
        )

    def _begin(self, active: Opened, settings: Settings) -> int:
        schema = schema_of(active.store)
        # no weights are read for it
        indexer = wiring.build_indexer(
            active.parts, active.store, active.collection, active.embeddings
        )
        check_models(schema.metadata, indexer.metadata, MUST_MATCH)
        config = wiring.config_of(settings)
        made = datetime.now(UTC).isoformat(timespec="seconds")

        def begin(found: Generations | None) -> Generations:
            known = found or _first(active, "")
            for one in known.every:
                if one.number == known.active:
                    continue
                if one.config == config and not one.whole:
                    return known
                raise StoreError(
                    f"generation {one.number} is there beside the one that answers "
                    f"({known.active}); drop it first: scenesearch generation drop {one.number}",
                    code="generation_there",
                )
            return known.having(Generation(known.last + 1, config, made=made))

        found = active.record.change(begin)
        active.others(fresh=True)
        return found.last

    def _made_like(self, new: Opened, source: Opened) -> Followed:
        done = Followed()
        for _ in range(ROUNDS):
            more = new.follow(source, progress=self._progress)
            done = Followed(
                done.items + more.items,
                done.removed + more.removed,
                done.embedded + more.embedded,
                more.failures,
                tuple(dict.fromkeys((*done.notes, *more.notes))),
            )
            if more.nothing:
                break
        return done

    # --- which one answers -----------------------------------------------------------------

    def switch(self, number: int) -> dict[str, Any]:
        """Let another generation answer, from one moment to the next.

        Raises:
            StoreError: there is none of that number, or it is not built to its end.
        """
        active = self._active
        found = _known(active.record.read())
        found.switched(number)
        if number != found.active:
            new = self._of(number)
            new.load()
            self._made_like(new, active)
            _carry(active, new)
            active.record.change(lambda now: _known(now).switched(number))
            self._switched()
        return {"generation": number, "before": found.active}

    def back(self) -> dict[str, Any]:
        """Let the generation answer again that did before.

        Raises:
            StoreError: there is none.
        """
        previous = _known(self._active.record.read()).previous
        if previous is None:
            raise StoreError(
                "no generation answered before this one, or it was dropped", code="no_generation"
            )
        return self.switch(previous)

    def drop(self, number: int) -> dict[str, Any]:
        """Remove a generation that does not answer.

        Raises:
            StoreError: it answers, or there is none of that number.
            StoreUnavailableError: somebody has it open.
        """
        active = self._active
        found = _known(active.record.read())
        if number == found.active:
            raise StoreError(
                f"generation {number} is the one that answers; switch to another one first, or "
                "drop the whole collection: scenesearch collections drop",
                code="generation_answers",
            )
        if not FIRST <= number <= found.last:
            found.of(number)
        active.record.change(lambda now: _known(now).without(number))
        active.others(fresh=True)
        if wiring.is_url(active.address):
            time.sleep(NOTICE_S)
        until = time.monotonic() + CLOSE_S
        while True:
            try:
                wiring.drop_generation(active.given, active.address, active.collection, number)
            except StoreUnavailableError:
                if time.monotonic() > until:
                    raise
                time.sleep(0.2)
            else:
                return {"dropped": number}

    def compare(self, number: int | None, truth: str | None, sample: int) -> dict[str, Any]:
        """What would change if another generation answered; see ``comparing``.

        Args:
            number: of the other one; the only other by default.
            truth: a file of photos with the items in them.
            sample: items whose neighbours are compared, at most.

        Raises:
            StoreError: there is no such generation, or it is not built to its end.
        """
        active = self._active
        found = _known(active.record.read())
        others = [one for one in found.numbers if one != found.active]
        if number is None and len(others) == 1:
            number = others[0]
        if number is None or number == found.active:
            raise StoreError(
                f"give the generation to compare with the one that answers ({found.active}); there "
                f"are {', '.join(map(str, others)) or 'no others'}",
                code="no_generation",
            )
        found.switched(number)
        return compare_generations(
            active,
            self._of(number),
            truth=None if truth is None else Path(truth),
            sample=sample,
            progress=self._progress,
        )

    # --- a new projection ------------------------------------------------------------------

    def reproject(self) -> Built:
        """Fit the projection anew on what the collection holds, and switch to it.

        Nothing is embedded that the embedding cache has. Killed at any moment, it is done again
        and goes on.

        Raises:
            ConfigError: the settings ask for none.
            StoreError: there are too few photos, some can be read neither from the cache nor from
                their files, or another generation is there.
        """
        active = self._active
        self._refuse_projection(active)
        found = active.record.read()
        if found is not None:
            # what an earlier one, killed after its switch, left behind
            for one in found.every:
                if one.number == found.previous and one.config == found.of(found.active).config:
                    self.drop(one.number)
        before = active.generation.number
        built = self.build()
        fitted = PROJECTION_BLOB in schema_of(self._of(built.number).store).blobs
        if built.failures or not fitted:
            # nobody is to lose items by it
            self.drop(built.number)
            raise StoreError(
                f"{len(built.failures)} photos are neither in the embedding cache nor can they be "
                f"read, such as {built.failures[0]}; nothing was changed"
                if built.failures
                else f"no projection could be fitted: {'; '.join(built.notes)}",
                code="photos_gone" if built.failures else "too_few_photos",
            )
        self.switch(built.number)
        self.drop(before)
        return built

    def _refuse_projection(self, active: Opened) -> None:
        wanted = active.settings.embedder.whiten
        if not wanted:
            raise ConfigError(
                "embedder.whiten is 0: these settings ask for no projection; set the number of "
                "dimensions, or take a profile that has one"
            )
        enough = _enough(active)
        schema_of(active.store)
        photos = count_photos(active)
        if photos < enough:
            raise StoreError(
                f"the collection has {photos} photos, and a projection of {wanted} dimensions "
                f"needs {enough}; nothing was changed",
                code="too_few_photos",
            )

    # --- pieces ----------------------------------------------------------------------------

    def _of(self, number: int) -> Opened:
        active = self._active
        if number == active.generation.number:
            return active
        for other in active.others(fresh=True):
            if other.generation.number == number:
                return other
        raise StoreError(f"there is no generation {number}", code="no_generation")


def count_photos(opened: Opened) -> int:
    """Different photos of a collection."""
    records = scroll_all(opened.store, fields=("item_id", "photo_sha256"))
    return len({one.payload["photo_sha256"] for one in records if is_ours(one.payload)})


def outgrown(opened: Opened) -> bool:
    """Whether a collection that began raw has photos enough for the projection it is to have.

    Not where there are photos of scenes: they are compared with the items as these are.

    Raises:
        StoreError: it cannot be read.
    """
    schema = opened.store.schema
    if not opened.settings.embedder.whiten or schema is None:
        return False
    found, config = opened.record.read(), wiring.config_of(opened.settings)
    beside = [one for one in found.every if one.number != found.active] if found else []
    # one that this began, and did not come to the end of, is gone on with
    if opened.projection() is not None or any(one.whole or one.config != config for one in beside):
        return False
    enough = _enough(opened)
    if opened.store.count() < enough or count_photos(opened) < enough:
        return False
    return opened.photos.schema is None


def _enough(opened: Opened) -> int:
    """Photos that a projection is fitted on at least."""
    whiten = opened.settings.embedder.whiten
    return MIN_PHOTOS_PER_DIMENSION * min(whiten, opened.parts.encoder.embedder.dim)


def _first(opened: Opened, made: str) -> Generations:
    """The record of a collection that had none."""
    only = Generation(FIRST, wiring.config_of(opened.settings), whole=True, made=made)
    return Generations(FIRST, FIRST, None, (only,))


def _known(found: Generations | None) -> Generations:
    if found is None:
        raise StoreError(
            "the collection has one generation; scenesearch generation build --config NEW makes "
            "the next one",
            code="no_generation",
        )
    return found


def _carry(source: Opened, target: Opened) -> None:
    """What belongs to the items and is of no model: which were seen together."""
    known = unwrapped(source.store).read_blob(KNOWN_BLOB)
    if known is not None and known != target.store.read_blob(KNOWN_BLOB):
        target.store.write_blob(KNOWN_BLOB, known)
