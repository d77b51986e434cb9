"""Tags: what is in a photo, as the batch tagger says it."""

from __future__ import annotations

from threading import Lock

from scenesearch.api.opened import Opened
from scenesearch.engine.cancellation import CheckedTimes
from scenesearch.engine.decoding import Decoder
from scenesearch.engine.tasks import Answer, TagTask
from scenesearch.look.as_json import to_json
from scenesearch.tagging.tagger import Tagger, TagOptions
from scenesearch.wiring import build_tagger


class TagTasks:
    """Answers :class:`TagTask`; safe to use from threads.

    Args:
        opened: for its models; its collection is not touched.
        decoder: of photos.
    """

    def __init__(self, opened: Opened, decoder: Decoder) -> None:
        self._opened = opened
        self._decoder = decoder
        self._taggers: dict[tuple[bool, bool], Tagger] = {}
        self._making = Lock()

    def tag(self, task: TagTask, times: CheckedTimes) -> Answer:
        """What is in a photo. Answer: JSON text of a row; see docs/tagging.md."""
        tagger = self._tagger(masks=task.masks, ocr=task.ocr)
        scene = self._decoder.scene(task.photo, times)
        row = tagger.tag([scene], times)[0]
        with times.stage("encode"):
            text = to_json(row.to_dict())
        return Answer(text, dict(times.seconds))

    def _tagger(self, *, masks: bool, ocr: bool) -> Tagger:
        """The tagger for a kind of row, with its models loaded; made when first asked for."""
        with self._making:
            tagger = self._taggers.get((masks, ocr))
            if tagger is None:
                # one photo at a time has nothing to share among threads
                options = TagOptions(masks=masks, ocr=ocr, workers=1)
                tagger = build_tagger(self._opened.parts, options)
                tagger.load()
                self._taggers[masks, ocr] = tagger
            return tagger
