"""scenesearch: find every object of a photo in your catalogue.

Names are loaded when they are first used, so importing the package costs nothing.
"""

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from scenesearch.api import IndexOutcome, SceneSearch
    from scenesearch.complete import CompleteOptions, Completion, KnownScene
    from scenesearch.config import Settings, load_settings
    from scenesearch.errors import SceneSearchError
    from scenesearch.look import Evidence, Look, Match, RegionMatches
    from scenesearch.query import SearchOptions
    from scenesearch.sync import SyncReport
    from scenesearch.sync_plan import SyncRules
    from scenesearch.tagger import TagOptions
    from scenesearch.tagging.rows import TagRow
    from scenesearch.tagging.run import RunOptions, TagSummary

_HOMES = {
    "CompleteOptions": "complete",
    "Completion": "complete",
    "Evidence": "look",
    "IndexOutcome": "api",
    "KnownScene": "complete",
    "Look": "look",
    "Match": "look",
    "RegionMatches": "look",
    "RunOptions": "tagging.run",
    "SceneSearch": "api",
    "SceneSearchError": "errors",
    "SearchOptions": "query",
    "Settings": "config",
    "SyncReport": "sync",
    "SyncRules": "sync_plan",
    "TagOptions": "tagger",
    "TagRow": "tagging.rows",
    "TagSummary": "tagging.run",
    "load_settings": "config",
}
__all__ = [
    "CompleteOptions",
    "Completion",
    "Evidence",
    "IndexOutcome",
    "KnownScene",
    "Look",
    "Match",
    "RegionMatches",
    "RunOptions",
    "SceneSearch",
    "SceneSearchError",
    "SearchOptions",
    "Settings",
    "SyncReport",
    "SyncRules",
    "TagOptions",
    "TagRow",
    "TagSummary",
    "__version__",
    "load_settings",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'scenesearch' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"scenesearch.{_HOMES[name]}"), name)
