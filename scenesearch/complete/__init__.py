"""Complete the look: what goes with an item or a scene, and the scenes an item appears in."""

from scenesearch.complete.completer import Completer, SceneSource
from scenesearch.complete.completion import Completion, CompletionGroup, Suggestion
from scenesearch.complete.known_scenes import (
    ItemScene,
    KnownScene,
    KnownScenes,
    ScenesAdded,
)
from scenesearch.complete.options import CompleteOptions

__all__ = [
    "CompleteOptions",
    "Completer",
    "Completion",
    "CompletionGroup",
    "ItemScene",
    "KnownScene",
    "KnownScenes",
    "SceneSource",
    "ScenesAdded",
    "Suggestion",
]
