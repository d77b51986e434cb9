"""The front door: one object that indexes a catalogue and searches photos in it."""

from scenesearch.api.indexing import IndexOutcome
from scenesearch.api.scene_search import SceneSearch

__all__ = ["IndexOutcome", "SceneSearch"]
