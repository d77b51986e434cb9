"""Photos to rows: each is searched, and the first matches of its objects are kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from scenesearch.core.errors import ImageError, QueryError
from scenesearch.core.types import Scene
from scenesearch.look.values import LookData, Match
from scenesearch.matching.rows import SHOWN, Found, MatchRow, SearchedObject

Ask = Callable[[Scene], LookData]


class Matcher:
    """Searches one photo after the other, as a tagging run wants it done.

    Args:
        ask: searches a photo.
        load: reads the weights.
        fingerprint: of everything an answer depends on beside the photo.
        top: matches of each object.
    """

    def __init__(self, ask: Ask, load: Callable[[], None], fingerprint: str, *, top: int) -> None:
        self._ask = ask
        self._load = load
        self._top = top
        self.fingerprint = self.models = fingerprint

    def load(self) -> None:
        """Read the weights; does nothing when they are already there."""
        self._load()

    def close(self) -> None:
        """Nothing: the models belong to whoever asks."""

    def tag(self, scenes: Sequence[Scene]) -> list[MatchRow]:
        """One row a scene, in order; what is wrong with a photo is its row's error."""
        return [self._row(scene) for scene in scenes]

    def _row(self, scene: Scene) -> MatchRow:
        try:
            look = self._ask(scene)
        except (ImageError, QueryError) as error:
            message = " ".join(str(error).split())
            return MatchRow.failed(scene.source, self.fingerprint, error.code, message)
        width, height = scene.size
        return MatchRow(
            scene.source,
            scene.sha256,
            width,
            height,
            self._objects(look),
            scene.warnings,
            self.fingerprint,
        )

    def _objects(self, look: LookData) -> tuple[SearchedObject, ...]:
        if not look.regions:
            return (SearchedObject(1, None, 0.0, None, self._first(look.matches)),)
        return tuple(
            SearchedObject(
                number,
                found.region.label,
                found.region.confidence,
                found.region.box,
                self._first(found.matches),
                "; ".join(found.notes),
            )
            for number, found in enumerate(look.regions, 1)
        )

    def _first(self, matches: Sequence[Match]) -> tuple[Found, ...]:
        return tuple(
            Found(rank, one.item_id, one.score, _told(one))
            for rank, one in enumerate(matches[: self._top], 1)
        )


def _told(match: Match) -> dict[str, str | float]:
    known = ((name, match.attributes.get(name)) for name in SHOWN)
    return {name: value for name, value in known if isinstance(value, str | int | float)}
