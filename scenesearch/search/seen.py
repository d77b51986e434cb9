"""What was seen of one photo so far, so that no model is asked anything twice."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from threading import Lock

from scenesearch.core.types import BoxTuple, Detections, Image, Region
from scenesearch.images.clarity import clarity_faults
from scenesearch.models.encode import EncodedRegion

_Key = tuple[str, BoxTuple, str | None, bool]


def _key(region: Region) -> _Key:
    """What a region shows; its number in the photo changes with what else is searched."""
    return region.kind, region.box, region.label, region.mask is not None


class Seen:
    """The detections and the encoded regions of one photo.

    Safe to use from several threads: two that ask for the same at the same time both run the
    models, and say the same.

    Args:
        detections: of the photo, where they are known; the detector's, before any rule.
        encoded: regions that are known.
    """

    def __init__(
        self, detections: Detections | None = None, encoded: Sequence[EncodedRegion] = ()
    ) -> None:
        self._detections = detections
        self._faults: tuple[str, ...] | None = None
        self._encoded = {_key(one.region): one for one in encoded}
        self._lock = Lock()

    @property
    def detections(self) -> Detections | None:
        """The detector's, before any rule; None where it was not asked."""
        return self._detections

    @property
    def detected(self) -> bool:
        """Whether the detector was asked."""
        return self._detections is not None

    @property
    def encoded(self) -> tuple[EncodedRegion, ...]:
        """Every region that was embedded."""
        with self._lock:
            return tuple(self._encoded.values())

    def faults(self, image: Image) -> tuple[str, ...]:
        """What keeps one from seeing things in it, looked at once."""
        if self._faults is None:
            self._faults = clarity_faults(image)
        return self._faults

    def detect(self, ask: Callable[[], Detections]) -> Detections:
        """The detections; ``ask`` is called where they are not known."""
        found = self.detections
        if found is None:
            found = ask()
            self._keep_detections(found)
        return found

    def _keep_detections(self, found: Detections) -> None:
        self._detections = found

    def _kept(self, one: EncodedRegion) -> EncodedRegion:
        """What is kept of an encoded region."""
        return one

    def missing(self, regions: Sequence[Region]) -> list[Region]:
        """Those of the regions that were not embedded yet."""
        with self._lock:
            return [region for region in regions if _key(region) not in self._encoded]

    def encode(
        self,
        regions: Sequence[Region],
        ask: Callable[[Sequence[Region]], Sequence[EncodedRegion]],
    ) -> list[EncodedRegion]:
        """The regions encoded, in order; ``ask`` is called for those that are missing."""
        missing = self.missing(regions)
        new = {_key(one.region): one for one in (ask(missing) if missing else ())}
        kept = {key: self._kept(one) for key, one in new.items()}
        with self._lock:
            self._encoded |= kept
            known = [new.get(_key(r)) or self._encoded[_key(r)] for r in regions]
        return [replace(one, region=region) for one, region in zip(known, regions, strict=True)]
