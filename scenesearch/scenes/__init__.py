"""Photos as a collection of their own: found by what is in them, and told from near-copies.

Each photo is one point for the whole and one for each object; :mod:`~scenesearch.scenes.points`
says what is stored, :mod:`~scenesearch.scenes.language` what can be asked.
"""

from scenesearch.scenes.answer import SceneAnswer, SceneMatch
from scenesearch.scenes.deduplication import DuplicateGroup, DuplicatePhoto, find_duplicates
from scenesearch.scenes.find import SceneFinder
from scenesearch.scenes.index import SceneIndex, SceneModels, SceneReport
from scenesearch.scenes.understand import SceneQuery

__all__ = [
    "DuplicateGroup",
    "DuplicatePhoto",
    "SceneAnswer",
    "SceneFinder",
    "SceneIndex",
    "SceneMatch",
    "SceneModels",
    "SceneQuery",
    "SceneReport",
    "find_duplicates",
]
