"""Exact masks of the placed objects, from flat renders: no light, one sample, a grey a thing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import bpy
import numpy as np
from PIL import Image

from tools.render import blender
from tools.render.materials import shader_of


def flatten(scene: Any, things: Sequence[Any]) -> None:
    """Make every thing glow in the grey of its number from 1, and all else black; for good."""
    cycles = scene.cycles
    cycles.samples = 1
    cycles.use_denoising = False
    cycles.use_adaptive_sampling = False
    cycles.max_bounces = 0
    cycles.transparent_max_bounces = 64
    # One ray through the middle of each pixel: edges are one thing or the other.
    cycles.pixel_filter_type = "BLACKMAN_HARRIS"
    cycles.filter_width = 0.01
    scene.view_settings.view_transform = "Raw"
    scene.view_settings.look = "None"
    scene.view_settings.exposure = 0.0
    scene.render.dither_intensity = 0.0
    blender.sky(scene, (0.0, 0.0, 0.0), 0.0)
    for other in scene.objects:
        if other.type == "LIGHT":
            other.hide_render = True
        elif other.type == "MESH":
            _glow(other, things.index(other) + 1 if other in things else 0)


def visible(scene: Any, path: Path) -> np.ndarray:
    """Which thing each pixel shows, by its number from 1, or 0; shape (height, width), uint8."""
    blender.render(scene, path)
    with Image.open(path) as picture:
        numbers = np.array(picture.convert("RGB"))[:, :, 0].copy()
    path.unlink()
    return numbers


def whole_areas(scene: Any, things: Sequence[Any], path: Path) -> list[int]:
    """Pixels each thing would cover with nothing in front of it and no edge of the picture.

    Each is drawn alone, twice as wide an angle being seen, so a pixel stands for four.
    """
    lens = scene.camera.data.lens
    scene.camera.data.lens = lens / 2
    others = [o for o in scene.objects if o.type == "MESH"]
    areas = []
    try:
        for thing in things:
            for other in others:
                other.hide_render = other is not thing
            areas.append(4 * int((visible(scene, path) > 0).sum()))
    finally:
        scene.camera.data.lens = lens
        for other in others:
            other.hide_render = False
    return areas


def box_of(mask: np.ndarray) -> tuple[int, int, int, int]:
    """Pixels, xyxy, half-open.

    Raises:
        ValueError: the mask is empty.
    """
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        raise ValueError("box_of: expected a mask with at least one pixel, got an empty one")
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def run_lengths(mask: np.ndarray) -> dict[str, list[int]]:
    """COCO's uncompressed run lengths: down the columns, starting with background."""
    flat = np.asarray(mask, np.bool_).ravel(order="F")
    edges = np.flatnonzero(np.diff(flat)) + 1
    bounds = np.concatenate([[0], edges, [flat.size]])
    counts = np.diff(bounds).tolist()
    return {"size": list(mask.shape), "counts": [0, *counts] if flat[0] else counts}


def _glow(other: Any, number: int) -> None:
    shade = number / 255
    if not other.material_slots:
        # a mesh without any material has no slot to hang one on
        other.data.materials.append(bpy.data.materials.new("flat"))
    for index, slot in enumerate(other.material_slots):
        # Copies of one product share their mesh: the material must hang on the object.
        original = slot.material
        material = original.copy() if original is not None else bpy.data.materials.new("flat")
        slot.link = "OBJECT"
        other.material_slots[index].material = material
        _as_light(material, shade)


def _as_light(material: Any, shade: float) -> None:
    material.use_nodes = True
    nodes, links = material.node_tree.nodes, material.node_tree.links
    shader = shader_of(material)
    alpha = shader.inputs["Alpha"].links[0].from_socket if _has_cut(shader) else None
    output = next(n for n in nodes if n.type == "OUTPUT_MATERIAL" and n.is_active_output)
    light = nodes.new("ShaderNodeEmission")
    light.inputs["Color"].default_value = (shade, shade, shade, 1.0)
    if alpha is None:
        links.new(light.outputs["Emission"], output.inputs["Surface"])
        return
    clear, mix = nodes.new("ShaderNodeBsdfTransparent"), nodes.new("ShaderNodeMixShader")
    cut = nodes.new("ShaderNodeMath")
    cut.operation = "GREATER_THAN"
    cut.inputs[1].default_value = 0.5
    links.new(alpha, cut.inputs[0])
    links.new(cut.outputs["Value"], mix.inputs["Fac"])
    links.new(clear.outputs["BSDF"], mix.inputs[1])
    links.new(light.outputs["Emission"], mix.inputs[2])
    links.new(mix.outputs["Shader"], output.inputs["Surface"])


def _has_cut(shader: Any | None) -> bool:
    """Whether a texture cuts the shape out (leaves), as against glass, which is all there."""
    return shader is not None and shader.inputs["Alpha"].is_linked
