"""The generations that an engine has open, and which of them answers: it follows the record.

A task is done by the generation that answered when it began, from its first model to its last
point. One that another took the place of is closed when its last task is done.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event, RLock, Thread
from typing import Any

from scenesearch.api.generations import GenerationTasks, outgrown
from scenesearch.api.handover import Handover
from scenesearch.api.opened import Opened
from scenesearch.core.errors import SceneSearchError, StoreError, StoreUnavailableError
from scenesearch.engine.serving import Serving
from scenesearch.engine.shared_models import SharedParts
from scenesearch.index.run import Progress
from scenesearch.store.generations import FIRST, Generation, Generations
from scenesearch.system.tuning import HTTP, step_back
from scenesearch.wiring import is_url

log = logging.getLogger(__name__)

POLL_S = 0.4
"""Between two looks at the record, a file."""
ASK_S = 0.8
"""Between two looks at that of a server, which is a request."""
JOIN_S = 20.0
"""For what the thread does when the engine is closed."""


class LiveGenerations:
    """Which generations are open, for many threads.

    Args:
        root: the one that answers when it is made; what all share is closed with it.
        make: gives what answers for one.
    """

    def __init__(self, root: Opened, make: Callable[[Opened], Serving]) -> None:
        self._root = root
        self._make = make
        self._guard = RLock()
        self._following = RLock()
        self._retired: list[Serving] = []
        self._failed: Generations | None = None
        self._assumed = False
        try:
            number = root.generation.number
        except SceneSearchError as error:
            log.warning("not known yet which generation of the items answers: %s", error)
            root.generation = Generation(FIRST, {}, whole=True)
            number = FIRST
            self._assumed = True
        self._share(root)
        self._active = make(root)
        self._served = {number: self._active}
        self._stop = Event()
        self._thread: Thread | None = None
        self._working: Thread | None = None
        self._wrote = False
        self._cold = True
        self._handover = (
            None if is_url(root.address) else Handover(Path(root.address), root.collection)
        )

    @property
    def active(self) -> Opened:
        """The generation that answers."""
        return self._active.opened

    @property
    def every(self) -> Sequence[Serving]:
        """All that are open."""
        with self._guard:
            return [*self._served.values()]

    @contextmanager
    def answering(self) -> Iterator[Serving]:
        """What answers, for one task."""
        if self._assumed:
            with suppress(StoreError):  # the task itself says what is amiss
                self.refresh()
        with self._guard:
            one = self._active
            one.users += 1
        try:
            yield one
        finally:
            with self._guard:
                one.users -= 1
            self._close_unused()

    def start(self) -> None:
        """Follow the record from here on."""
        if self._thread is None:
            self._thread = Thread(target=self._follow, name="generations", daemon=True)
            self._thread.start()

    def _follow(self) -> None:
        pause = POLL_S if self._handover else ASK_S
        while not self._stop.wait(pause):
            try:
                self.refresh()
                self._do_what_is_asked()
                self._warm_up()
            except StoreError as error:
                log.debug("the record of the generations: %s", error)
            except Exception:
                log.exception("following the generations")

    def _do_what_is_asked(self) -> None:
        """Begin what a command left to be done by whoever has the collection open."""
        if self._handover is None or (self._working and self._working.is_alive()):
            return
        asked = self._handover.waiting()
        if asked is not None:
            self._working = Thread(
                target=self._handover.do, args=(asked, self._do), name="generations-work"
            )
            self._working.daemon = True
            self._working.start()

    def written(self) -> None:
        """To be called when items were."""
        self._wrote = True

    def _warm_up(self) -> None:
        """Give a collection that began with few photos its projection, once there are enough."""
        if not self._wrote or (self._working and self._working.is_alive()):
            return
        self._wrote = False
        if self._cold and outgrown(self.active):
            self._working = Thread(target=self._reproject, name="generations-work")
            self._working.daemon = True
            self._working.start()

    def _reproject(self) -> None:
        try:
            self._do("reproject", {}, lambda *_: None)
        except SceneSearchError as error:
            self._cold = False
            log.warning(
                "the collection has photos enough for a projection, and it could not be fitted: "
                "%s. scenesearch reproject tries again",
                error,
            )
        else:
            log.info("the collection has photos enough by now, and a projection fitted to them")

    def _do(self, what: str, values: Mapping[str, Any], progress: Progress) -> Any:
        step_back(HTTP)  # looks go first

        def told(stage: str, done: int, total: int) -> None:
            if self._stop.is_set():
                raise StoreUnavailableError("the service stops; do it again when it runs")
            progress(stage, done, total)

        return GenerationTasks(lambda: self.active, self.refresh, told).do(what, values)

    def refresh(self) -> None:
        """Do as the record says by now.

        Raises:
            StoreError: it cannot be read.
        """
        with self._following:
            found = self._root.record.read()
            self._assumed = False
            if found is None:
                return
            for one in found.every:
                if one.number not in self._served:
                    opened = self._root.of(one)
                    self._share(opened)
                    with self._guard:
                        self._served[one.number] = self._make(opened)
            self._answer_with(found)
            with self._guard:
                for number in self._served.keys() - set(found.numbers):
                    if self._served[number] is not self._active:
                        self._retired.append(self._served.pop(number))
            self._close_unused()

    def _answer_with(self, found: Generations) -> None:
        new = self._served[found.active]
        if new is self._active or found == self._failed:
            return
        try:
            new.opened.load()
            new.opened.searcher.open()
        except StoreUnavailableError as error:
            log.debug("generation %d: %s", found.active, error)  # soon again
            return
        except SceneSearchError as error:
            # what answers goes on, and a later record is another try
            self._failed = found
            log.error("generation %d cannot answer here: %s", found.active, error)  # noqa: TRY400
            return
        with self._guard:
            self._active = new
        log.info("generation %d of %r answers", found.active, self._root.collection)

    def _share(self, opened: Opened) -> None:
        if not isinstance(opened.parts, SharedParts):
            opened.use_parts(SharedParts(opened.parts))

        def siblings(fresh: bool) -> Sequence[Opened]:
            if fresh:
                self.refresh()
            return [one.opened for one in self.every if one.opened is not opened]

        opened.siblings = siblings

    def _close_unused(self) -> None:
        with self._guard:
            if not self._retired:
                return
            unused = [one for one in self._retired if not one.users]
            self._retired = [one for one in self._retired if one.users]
            used = {id(one.opened.parts) for one in (*self._served.values(), *self._retired)}
        for one in unused:
            one.opened.retire(models=id(one.opened.parts) not in used)

    def close(self) -> None:
        """Follow no more, and close all of them."""
        self._stop.set()
        for thread in (self._thread, self._working):
            if thread is not None:
                thread.join(JOIN_S)
        for one in (*self.every, *self._retired):
            if one.opened is not self._root:
                one.opened.close()
        self._root.close()
