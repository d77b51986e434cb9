"""A look as one HTML file: pictures inside, nothing loaded from outside, no scripts."""

from __future__ import annotations

import hashlib
from functools import cache
from typing import TYPE_CHECKING, Any

from scenesearch.look.render import words
from scenesearch.look.render.marks import place_badges, scaled_boxes
from scenesearch.look.render.palette import css, ink_on, region_colour, swatch
from scenesearch.look.render.pictures import crop, data_uri, fit, mask_layer, photo, scene_picture
from scenesearch.look.render.templates import template
from scenesearch.look.values import Evidence, LookData, Match

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

SCENE_SIDE = 1280
THUMB_SIDE = 220

_NARROWEST = 340
"""Width in CSS pixels of the photo on a phone: hotspots are kept apart for this one."""

_HOTSPOT = 15
"""Radius in CSS pixels; WCAG 2.2 (2.5.8) asks for targets of at least 24 across."""


def render_html(
    look: LookData, *, document: bool = True, per_region: int = 12, fused: int = 48
) -> str:
    """Draw the look as a page.

    Args:
        look: what to draw.
        document: a whole page; False gives a fragment for notebooks, whose styles and ids stay
            its own.
        per_region: matches shown for each region.
        fused: matches shown of the fused list.

    Returns:
        HTML. Everything from the catalogue is escaped, and only http(s) addresses become links.

    Raises:
        ValueError: a number of matches is below 1.
    """
    for name, value in (("per_region", per_region), ("fused", fused)):
        if value < 1:
            raise ValueError(f"{name} must be at least 1, got {value}")
    # The same product is often in several lists: each photo is read and encoded once.
    thumbnail = cache(_thumbnail)
    regions = [
        {
            "number": i + 1,
            "name": words.region_name(found),
            "colour": css(region_colour(i)),
            "ink": css(ink_on(region_colour(i))),
            "certainty": words.certainty(found),
            "remarks": [
                note for note in (words.cutout_note(found), *map(words.clean, found.notes)) if note
            ],
            "swatches": [(css(swatch(c.lab)), words.colour(c)) for c in found.colours],
            "crop": data_uri(crop(look.scene, found.region, (THUMB_SIDE, THUMB_SIDE), enlarge=1))
            if look.scene is not None
            else "",
            "cards": [_card(match, look, thumbnail) for match in found.matches[:per_region]],
            "total": len(found.matches),
        }
        for i, found in enumerate(look.regions)
    ]
    facets = [
        (words.clean(name, 60), [(words.clean(value, 60), n) for value, n in values])
        for name, values in look.facets.items()
        if values
    ]
    notes = (*look.notes, *(look.scene.warnings if look.scene is not None else ()))
    return template("look").render(
        document=document,
        prefix="" if document else f"look-{_digest(look)}-",
        heading=words.heading(look),
        summary=words.summary(look),
        photo=_photo(look),
        regions=regions,
        fused=[_card(match, look, thumbnail) for match in look.matches[:fused]],
        total=len(look.matches),
        facets=facets,
        timings=[(words.clean(name, 40), f"{ms:.0f} ms") for name, ms in look.timings_ms.items()],
        notes=[words.clean(note) for note in notes],
    )


def _photo(look: LookData) -> dict[str, Any] | None:
    """The scene, its masks, and boxes and hotspots in per cent of it."""
    scene = look.scene
    if scene is None:
        return None
    picture = scene_picture(scene, (SCENE_SIDE, SCENE_SIDE))
    width, height = picture.size
    masks = mask_layer(look, picture.size, max(2, width // 400))
    # The photo is shown at 340 pixels or wider, so this many of its own pixels are a hotspot.
    narrow = fit(scene.size, (_NARROWEST, 10 * _NARROWEST))
    centres = place_badges(scaled_boxes(look, narrow), narrow, _HOTSPOT + 1)
    spots = []
    for i, (box, centre) in enumerate(zip(scaled_boxes(look, (100, 100)), centres, strict=True)):
        region = look.regions[i].region
        spots.append(
            {
                "number": i + 1,
                "name": words.region_name(look.regions[i]),
                "colour": css(region_colour(i)),
                "ink": css(ink_on(region_colour(i))),
                "box": None if region.kind == "whole" else _rectangle(box),
                "faint": region.mask is not None or region.kind == "tile",
                "cx": f"{100 * centre[0] / narrow[0]:.2f}",
                "cy": f"{100 * centre[1] / narrow[1]:.2f}",
                "area": (box[2] - box[0]) * (box[3] - box[1]),
            }
        )
    return {
        "src": data_uri(picture),
        "masks": data_uri(masks) if masks is not None else "",
        "width": width,
        "height": height,
        # Small boxes last, so that they can be tapped where a large one lies under them.
        "boxes": sorted((s for s in spots if s["box"]), key=lambda spot: -spot["area"]),
        "spots": spots,
    }


def _rectangle(box: tuple[float, float, float, float]) -> dict[str, str]:
    x1, y1, x2, y2 = box
    sides = {"x": x1, "y": y1, "width": x2 - x1, "height": y2 - y1}
    return {name: f"{side:.2f}" for name, side in sides.items()}


def _card(match: Match, look: LookData, thumbnail: Any) -> dict[str, Any]:
    return {
        "title": words.title(match),
        "subtitle": words.subtitle(match),
        "price": words.price(match),
        "score": words.score(match.score),
        "id": words.clean(match.item_id),
        "url": words.link(match),
        "image": thumbnail(match.photo),
        "parts": [(words.clean(k, 40), words.score(v)) for k, v in match.parts.items()],
        "evidence": [_evidence(evidence, look) for evidence in match.evidence],
        "variants": [words.clean(variant, 80) for variant in match.variants],
    }


def _evidence(evidence: Evidence, look: LookData) -> dict[str, Any]:
    scores = ", ".join(f"{words.clean(k, 40)} {words.score(v)}" for k, v in evidence.scores.items())
    known = {"scores": scores, "contribution": words.score(evidence.contribution)}
    if evidence.region is None:
        return {"number": 0, "name": "query", **known}
    colour = region_colour(evidence.region)
    return {
        "number": evidence.region + 1,
        "name": words.region_name(look.regions[evidence.region]),
        "colour": css(colour),
        "ink": css(ink_on(colour)),
        **known,
    }


def _thumbnail(path: str | None) -> dict[str, Any] | None:
    picture = photo(path)
    if picture is None:
        return None
    small: Picture = picture.resize(
        fit(picture.size, (THUMB_SIDE, THUMB_SIDE)), resample=1, reducing_gap=2.0
    )
    return {"src": data_uri(small), "width": small.width, "height": small.height}


def _digest(look: LookData) -> str:
    """Keeps the ids of several looks in one notebook apart, and the same look's ids the same."""
    names = [match.item_id for match in look.matches]
    names += [found.region.key for found in look.regions]
    names.append(look.scene.sha256 if look.scene is not None else "")
    return hashlib.sha256("\n".join(names).encode("utf-8", "replace")).hexdigest()[:8]
