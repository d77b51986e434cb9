"""The tag pipeline: photos become rows that say what is in them.

A batch goes through each model once, so that batches fill: one call of the detector, one of the
embedder. Regions, cutouts and descriptions follow the same rules as a search, and so the encoded
regions can fill a collection of scenes. Knows protocols and pure code only.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from scenesearch.attributes.placement import placement
from scenesearch.core.points import CUTOUT
from scenesearch.core.protocols import Detector, Reader
from scenesearch.core.types import Colour, Detections, Scene, TextLine
from scenesearch.models.detect.regions import object_regions, whole_region
from scenesearch.models.encode import EncodedRegion, Encoder, Prepared, RegionRules
from scenesearch.system.timing import StageTimes
from scenesearch.tagging.masks import encode_mask
from scenesearch.tagging.rows import Tag, TaggedObject, TagRow
from scenesearch.tagging.vocabulary import fold, read_kinds, read_vocabulary
from scenesearch.tagging.zero_shot import Prompts, ZeroShot, choose

ROW_VERSION = "1"
"""Of what a row says; raised when the same photo, models and options give another row."""

Vectors = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class TagOptions:
    """What a row has, and when a word is a tag.

    Attributes:
        masks: whether objects carry their masks.
        vocabulary: YAML of names to tag with; None for the general one of the package.
        kinds: YAML of kinds of scenes; None for the package's.
        zero_shot: whether a text tower, where the embedder has one, names what is seen.
        ocr: whether text is read.
        colours: whether dominant colours are kept.
        limit: the largest number of tags of a photo.
        object_limit: of each object.
        min_score: share of the zero-shot softmax below which a word is no tag, 0 to 1.
        kind_floor: score below which a photo has no kind, 0 to 1.
        same: cosine of two words' embeddings above which they are one, -1 to 1.
        workers: threads that cut and describe; changes no row. Most of it is Python, so that two
            take 15 % more CPU time than one, and no less of the clock.
    """

    masks: bool = False
    vocabulary: Path | None = None
    kinds: Path | None = None
    zero_shot: bool = True
    ocr: bool = False
    colours: bool = True
    limit: int = 12
    object_limit: int = 3
    min_score: float = 0.05
    kind_floor: float = 0.2
    same: float = 0.95
    workers: int = 1

    def __post_init__(self) -> None:
        for name in ("limit", "object_limit", "workers"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        for name, low in (("min_score", 0.0), ("kind_floor", 0.0), ("same", -1.0)):
            if not low <= getattr(self, name) <= 1:
                raise ValueError(f"{name} must be {low:g} to 1, got {getattr(self, name)}")


class _Words(NamedTuple):
    prompts: Prompts
    tags: ZeroShot
    kinds: ZeroShot


class Tagger:
    """Tags photos.

    Args:
        encoder: cuts, describes and embeds.
        detector: finds objects; None for rows about whole photos only.
        options: what a row has.
        reader: reads text; only asked where ``options.ocr``.
        rules: which detections become objects; ``limit`` is for each photo.

    Raises:
        ConfigError: a vocabulary cannot be read.
        ValueError: text is to be read and there is no reader.
    """

    def __init__(
        self,
        encoder: Encoder,
        detector: Detector | None,
        options: TagOptions | None = None,
        *,
        reader: Reader | None = None,
        rules: RegionRules | None = None,
    ) -> None:
        self.options = options or TagOptions()
        if self.options.ocr and reader is None:
            raise ValueError("options.ocr is on and reader is None; expected a reader of text")
        self.encoder = encoder
        self.detector = detector
        self.reader = reader if self.options.ocr else None
        self.rules = rules or RegionRules()
        self._vocabulary = read_vocabulary(self.options.vocabulary)
        self._kinds = read_kinds(self.options.kinds)
        self._words: _Words | None = None

    @property
    def zero_shot(self) -> bool:
        """Whether words come from a text tower; detector labels alone otherwise."""
        return self.options.zero_shot and self.encoder.embedder.has_text

    @property
    def models(self) -> str:
        """The same, as a row has it."""
        return self.fingerprint

    @property
    def fingerprint(self) -> str:
        """Everything that a row depends on beside the photo, known without loading.

        The embedder is part of it only where it chooses words: without a text tower a row is the
        same with every embedder.
        """
        o, rules = self.options, self.rules
        parts = {
            "row": ROW_VERSION,
            "detector": self.detector.fingerprint if self.detector else "none",
            "regions": f"{rules.limit}:{rules.min_area:g}:{rules.overlap:g}",
            "cutout": self.encoder.rules.fingerprint,
            "vocabulary": self._vocabulary.fingerprint,
            "kinds": f"{self._kinds.fingerprint}:{o.kind_floor:g}",
            "tags": f"{o.limit}:{o.object_limit}",
            "words": (
                f"{self.encoder.embedder.fingerprint}:{o.min_score:g}:{o.same:g}"
                if self.zero_shot
                else "labels"
            ),
            "reader": self.reader.fingerprint if self.reader else "none",
            "colours": str(self.encoder.describer.colour_dim if o.colours else 0),
            "masks": str(int(o.masks)),
        }
        return "|".join(f"{name}={value}" for name, value in parts.items())

    def load(self) -> None:
        """Read the weights of everything that rows need; does nothing when they are there.

        Raises:
            ModelError: weights are missing or cannot be used.
        """
        for model in (self.detector, self.reader):
            if model is not None:
                model.load()
        if self.zero_shot:
            self.encoder.embedder.load()
            self._chooser()

    def close(self) -> None:
        """Forget the weights, the encoder's too; ``load`` brings them back."""
        self._words = None
        for model in (self.encoder.embedder, self.detector, self.reader):
            if model is not None:
                model.close()

    def tag(self, scenes: Sequence[Scene], times: StageTimes | None = None) -> list[TagRow]:
        """One row a photo, in order.

        Args:
            scenes: any number; where words come from a text tower, all of their regions are in
                memory at once.
            times: adds up seconds by stage.
        """
        times = times or StageTimes()
        each = self._prepare(scenes, times)
        if not self.zero_shot:
            return [
                row
                for scene, parts in zip(scenes, each, strict=True)
                for row in self._rows([scene], [parts], None, times)
            ]
        prepared = list(each)
        with times.stage("embed"):
            flat = [one.cutout.image for parts in prepared for one in parts]
            vectors = self.encoder.embedder.embed_images(flat)
        return self._rows(scenes, prepared, vectors, times)

    def tag_and_encode(
        self, scenes: Sequence[Scene], times: StageTimes | None = None
    ) -> list[tuple[TagRow, list[EncodedRegion]]]:
        """Rows together with what a collection of scenes stores.

        Args:
            scenes: as for :meth:`tag`.
            times: adds up seconds by stage.

        Returns:
            For each photo its row and its regions, embedded: the photo as a whole, then the
            objects in the order of the row.
        """
        if not scenes:
            return []
        times = times or StageTimes()
        prepared = list(self._prepare(scenes, times))
        with times.stage("embed"):
            encoded = self.encoder.embed([one for parts in prepared for one in parts])
        vectors = np.stack([one.vectors[CUTOUT] for one in encoded]) if self.zero_shot else None
        rows = self._rows(scenes, prepared, vectors, times)
        following = iter(encoded)
        return [
            (row, [next(following) for _ in parts])
            for row, parts in zip(rows, prepared, strict=True)
        ]

    def _prepare(self, scenes: Sequence[Scene], times: StageTimes) -> Iterator[list[Prepared]]:
        """The whole photo and its objects, for each photo."""
        with times.stage("detect"):
            found = (
                self.detector.detect(scenes)
                if self.detector is not None and scenes
                else [Detections.empty() for _ in scenes]
            )
        with ThreadPoolExecutor(self.options.workers, "scenesearch-tag") as pool:
            # a pool works ahead of whoever takes, one thread does not
            mapped = pool.map if self.options.workers > 1 else map
            each = iter(mapped(self._regions, scenes, found))
            for _ in scenes:
                with times.stage("describe"):
                    parts = next(each)
                yield parts

    def _regions(self, scene: Scene, found: Detections) -> list[Prepared]:
        objects = object_regions(
            found,
            scene.size,
            limit=self.rules.limit,
            min_area=self.rules.min_area,
            overlap=self.rules.overlap,
        )
        return self.encoder.prepare(scene, [whole_region(scene.size), *objects])

    def _chooser(self) -> _Words:
        if self._words is None:
            prompts = Prompts(self.encoder.embedder)
            names = {name: (name, *more) for name, more in self._vocabulary.groups.items()}
            kinds = {kind.name: kind.words for kind in self._kinds.kinds}
            self._words = _Words(prompts, ZeroShot(prompts, names), ZeroShot(prompts, kinds))
        return self._words

    def _rows(
        self,
        scenes: Sequence[Scene],
        prepared: Sequence[Sequence[Prepared]],
        vectors: Vectors | None,
        times: StageTimes,
    ) -> list[TagRow]:
        with times.stage("read"):
            texts = [self.reader.read(s.image) if self.reader else () for s in scenes]
        models = self.fingerprint
        rows = []
        start = 0
        with times.stage("tag"):
            for scene, parts, text in zip(scenes, prepared, texts, strict=True):
                own = None if vectors is None else vectors[start : start + len(parts)]
                rows.append(self._row(scene, parts, own, text, models))
                start += len(parts)
        return rows

    def _row(
        self,
        scene: Scene,
        parts: Sequence[Prepared],
        vectors: Vectors | None,
        text: tuple[TextLine, ...],
        models: str,
    ) -> TagRow:
        whole, objects = parts[0], parts[1:]
        words = self._named(vectors, len(parts))
        labels = [
            Tag(self._vocabulary.canonical(_label(o)), o.region.confidence, "label")
            for o in objects
        ]
        kind, kind_score = self._kind(objects, vectors)
        width, height = scene.size
        return TagRow(
            source=scene.source,
            sha256=scene.sha256,
            width=width,
            height=height,
            phash=whole.description.phash,
            kind=kind,
            kind_score=kind_score,
            tags=self._chosen([*labels, *words[0]], self.options.limit),
            colours=self._colours(whole),
            text=text,
            objects=tuple(
                self._object(one, self._own_tags(label, named))
                for one, label, named in zip(objects, labels, words[1:], strict=True)
            ),
            warnings=scene.warnings,
            models=models,
        )

    def _object(self, one: Prepared, tags: tuple[Tag, ...]) -> TaggedObject:
        region = one.region
        where = placement(region.box, one.size)
        mask = region.mask if self.options.masks else None
        return TaggedObject(
            key=region.key,
            box=region.box,
            label=_label(one),
            confidence=region.confidence,
            area_share=where.area_share,
            position=where.position,
            colours=self._colours(one),
            tags=tags,
            phash=one.description.phash,
            mask=None if mask is None else encode_mask(mask, region.box, one.size),
        )

    def _colours(self, one: Prepared) -> tuple[Colour, ...]:
        return one.description.colours if self.options.colours else ()

    def _named(self, vectors: Vectors | None, regions: int) -> list[list[Tag]]:
        """Zero-shot tags of each region."""
        if vectors is None:
            return [[] for _ in range(regions)]
        o = self.options
        found = self._chooser().tags.best(vectors, limit=o.limit, floor=o.min_score)
        return [[Tag(name, score, "zero_shot") for name, score in one] for one in found]

    def _chosen(self, tags: Sequence[Tag], limit: int) -> tuple[Tag, ...]:
        if not self.zero_shot:
            return choose(tags, limit=limit)
        vectors = self._chooser().prompts.vectors
        return choose(tags, limit=limit, vectors=vectors, same=self.options.same)

    def _own_tags(self, label: Tag, named: Sequence[Tag]) -> tuple[Tag, ...]:
        """The tags of an object; what it is called is one of them, however many are surer."""
        limit = self.options.object_limit
        found = self._chosen([label, *named], limit)
        if label in found:
            return found
        others = [tag for tag in found if fold(tag.name) != fold(label.name)]
        return (*others[: limit - 1], label)

    def _kind(
        self, objects: Sequence[Prepared], vectors: Vectors | None
    ) -> tuple[str | None, float]:
        floor = self.options.kind_floor
        if vectors is not None:
            found = self._chooser().kinds.best(vectors[:1], limit=1, floor=floor)[0]
            return found[0] if found else (None, 0.0)
        best: dict[str, float] = {}
        for one in objects:
            label = _label(one)
            best[label] = max(best.get(label, 0.0), one.region.confidence)
        kind, score = self._kinds.by_labels(best)
        return (kind, score) if kind is not None and score >= floor else (None, 0.0)


def _label(one: Prepared) -> str:
    # a detector names all that it finds; only a caller's own box has no name
    return one.region.label or "object"
