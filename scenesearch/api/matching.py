"""Query photos by the folder, over one collection."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from scenesearch.api.opened import Opened
from scenesearch.core.conditions import Condition
from scenesearch.core.points import schema_of
from scenesearch.core.types import Scene
from scenesearch.look.values import LookData
from scenesearch.matching.matcher import Matcher
from scenesearch.matching.table import MATCHES
from scenesearch.search.query import Query
from scenesearch.tagging.run import RunOptions, TagProgress, TagSummary, run_tagging

_VERSION = 1
"""Of what a row says."""


def match_to(
    opened: Opened,
    out: str | Path,
    sources: Sequence[str | Path],
    *,
    top: int,
    one_thing: bool,
    where: str | Condition | None,
    options: Mapping[str, Any],
    run: RunOptions | None,
    progress: Callable[[TagProgress], None] | None,
) -> TagSummary:
    """As :meth:`SceneSearch.match_to`."""
    wanted = {"limit": max(1, top), "per_region": top, **options}
    chosen = opened.options(where, wanted)

    def ask(scene: Scene) -> LookData:
        query = Query(products=((scene, 1.0),)) if one_thing else Query(scene=scene)
        return opened.searcher.look(query, chosen)

    said = {
        "version": _VERSION,
        "collection": dict(schema_of(opened.store).metadata),
        "points": opened.store.count(),
        "detectors": [str(one) for one in opened.settings.detectors],
        "cutout": str(opened.settings.cutout),
        "options": str(chosen),
        "top": top,
        "one_thing": one_thing,
    }
    text = json.dumps(said, sort_keys=True, default=str)
    fingerprint = hashlib.sha256(text.encode()).hexdigest()[:16]
    matcher = Matcher(ask, opened.load, fingerprint, top=top)
    how = replace(run or RunOptions(), limits=opened.settings.images)
    return run_tagging(sources, matcher, out, options=how, progress=progress, table=MATCHES)
