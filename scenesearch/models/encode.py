"""Photos to vectors and descriptions: the arrows that index and search share.

A catalogue photo and a query region go through the same embedder with the same rules, or their
vectors would not compare. Knows protocols and pure code only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from scenesearch.attributes.placement import Placement, placement
from scenesearch.core.boxes import box_tuple
from scenesearch.core.points import COLOUR, CONTEXT, CUTOUT, colours_payload
from scenesearch.core.protocols import Describer, Detector, Embedder, Profiler, Remover
from scenesearch.core.types import Cutout, Description, Image, Region, Scene
from scenesearch.models.cutout.cutter import CutRules, context_crop, cut_product, cut_region
from scenesearch.models.detect.regions import object_regions
from scenesearch.system.timing import StageTimes

When = Literal["off", "fallback", "on"]


@dataclass(frozen=True, slots=True)
class RegionRules:
    """Which detections become regions.

    Attributes:
        limit: the largest number of regions of a photo.
        min_area: smallest share of the photo's area.
        overlap: intersection over union above which two boxes are one object.
        whole: whether a query also searches the photo as a whole; ``fallback``: only where
            nothing was detected.
        tiles: likewise for half-overlapping windows.
        min_confidence: detections in the photo of a query that the detector is less sure of are
            left out, 0 to 1.
    """

    limit: int = 12
    min_area: float = 0.004
    overlap: float = 0.7
    whole: When = "fallback"
    tiles: When = "fallback"
    min_confidence: float = 0.0


@dataclass(frozen=True, slots=True, eq=False)
class EncodedRegion:
    """One region with everything that was computed on it.

    Attributes:
        placement: size and position in its photo.
        vectors: raw embeddings by space, before any projection.
        profile: class probabilities of the context, shape (classes,); None where the embedder
            has no class head.
    """

    region: Region
    cutout: Cutout
    description: Description
    placement: Placement
    vectors: Mapping[str, NDArray[np.float32]]
    profile: NDArray[np.float32] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """One region with everything that needs no embedder.

    Attributes:
        size: (width, height) of its photo.
        context: the region with some of what surrounds it.
    """

    size: tuple[int, int]
    region: Region
    cutout: Cutout
    context: Image
    description: Description


class Encoder:
    """Cuts, describes and embeds.

    Args:
        embedder: pictures to vectors.
        describer: cutouts to colours and hashes.
        rules: how cutouts are made.
        remover: for catalogue photos whose background is not plain; None to leave those whole.
    """

    def __init__(
        self,
        embedder: Embedder,
        describer: Describer,
        rules: CutRules,
        remover: Remover | None = None,
    ) -> None:
        self.embedder = embedder
        self.describer = describer
        self.rules = rules
        self.remover = remover

    def product_region(self, scene: Scene) -> tuple[Region, Cutout]:
        """The product of a catalogue photo; the region's box is what the product covers."""
        cutout, box = cut_product(scene.image, self.rules, self.remover, scene.own)
        return Region("whole", "whole", box_tuple(box)), cutout

    def prepare_product(
        self, scene: Scene, detector: Detector | None = None, rules: RegionRules | None = None
    ) -> list[Prepared]:
        """Everything but the embedding of a catalogue photo; safe to call from threads.

        With a detector, every object in the photo becomes a region of its own beside the whole.
        """
        region, cutout = self.product_region(scene)
        # the context of a product photo is the photo: what surrounds the product is its shadow
        prepared = [
            Prepared(scene.size, region, cutout, scene.image, self.describer.describe(cutout))
        ]
        if detector is not None and rules is not None:
            parts = object_regions(
                detector.detect([scene])[0],
                scene.size,
                limit=rules.limit,
                min_area=rules.min_area,
                overlap=rules.overlap,
            )
            prepared += [self._prepare(scene, part) for part in parts]
        return prepared

    def _prepare(self, scene: Scene, region: Region) -> Prepared:
        cutout = cut_region(scene, region, self.rules)
        context = context_crop(scene, region.box, self.rules)
        return Prepared(scene.size, region, cutout, context, self.describer.describe(cutout))

    def prepare(self, scene: Scene, regions: Sequence[Region]) -> list[Prepared]:
        """Everything but the embedding of regions of one scene; safe to call from threads."""
        return [self._prepare(scene, region) for region in regions]

    def embed(self, prepared: Sequence[Prepared]) -> list[EncodedRegion]:
        """Embed cutouts and contexts in one go, so that batches fill; a picture only once."""
        n = len(prepared)
        images = [p.cutout.image for p in prepared]
        # what could not be cut out is its own context where it is the whole photo
        contexts = [*range(n)]
        for i, p in enumerate(prepared):
            if not np.array_equal(p.context, p.cutout.image):
                contexts[i] = len(images)
                images.append(p.context)
        profiles: NDArray[np.float32] | None = None
        if isinstance(self.embedder, Profiler) and self.embedder.profile_dim:
            vectors, profiles = self.embedder.embed_and_profile(images)
        else:
            vectors = self.embedder.embed_images(images)
        encoded = []
        for i, p in enumerate(prepared):
            spaces = {CUTOUT: vectors[i], CONTEXT: vectors[contexts[i]]}
            if p.description.colour_vector is not None:
                spaces[COLOUR] = p.description.colour_vector
            profile = None if profiles is None else profiles[contexts[i]]
            where = placement(p.region.box, p.size)
            encoded.append(EncodedRegion(p.region, p.cutout, p.description, where, spaces, profile))
        return encoded

    def encode_regions(
        self, scene: Scene, regions: Sequence[Region], times: StageTimes
    ) -> list[EncodedRegion]:
        """Query regions of one scene."""
        with times.stage("cutout"):
            cutouts = [cut_region(scene, region, self.rules) for region in regions]
            contexts = [context_crop(scene, region.box, self.rules) for region in regions]
        with times.stage("describe"):
            descriptions = [self.describer.describe(cutout) for cutout in cutouts]
            prepared = [
                Prepared(scene.size, *parts)
                for parts in zip(regions, cutouts, contexts, descriptions, strict=True)
            ]
        with times.stage("embed"):
            return self.embed(prepared)

    def encode_product(self, scene: Scene, times: StageTimes) -> EncodedRegion:
        """A photo of one thing as a query, treated as a catalogue photo is."""
        with times.stage("cutout"):
            prepared = self.prepare_product(scene)
        with times.stage("embed"):
            return self.embed(prepared)[0]


def payload_of(encoded: EncodedRegion) -> dict[str, object]:
    """What was measured on the pixels, as JSON values."""
    region = encoded.region
    payload: dict[str, object] = {
        "region": region.kind,
        "region_key": region.key,
        "box": [round(side, 1) for side in region.box],
        "area_share": round(encoded.placement.area_share, 4),
        "position": encoded.placement.position,
        "cutout_method": encoded.cutout.method,
        "phash": encoded.description.phash,
        **colours_payload(encoded.description.colours),
    }
    if region.label is not None:
        payload["label"] = region.label
        payload["label_confidence"] = round(region.confidence, 4)
    return payload
