"""scenesearch: find every object of a photo in your catalogue.

Names are loaded when they are first used, so importing the package costs nothing.
"""

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from scenesearch.api import IndexOutcome, SceneSearch
    from scenesearch.config import Settings, load_settings
    from scenesearch.errors import SceneSearchError
    from scenesearch.look import Evidence, Look, Match, RegionMatches
    from scenesearch.query import SearchOptions

_HOMES = {
    "Evidence": "look",
    "IndexOutcome": "api",
    "Look": "look",
    "Match": "look",
    "RegionMatches": "look",
    "SceneSearch": "api",
    "SceneSearchError": "errors",
    "SearchOptions": "query",
    "Settings": "config",
    "load_settings": "config",
}
__all__ = [
    "Evidence",
    "IndexOutcome",
    "Look",
    "Match",
    "RegionMatches",
    "SceneSearch",
    "SceneSearchError",
    "SearchOptions",
    "Settings",
    "__version__",
    "load_settings",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'scenesearch' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"scenesearch.{_HOMES[name]}"), name)
