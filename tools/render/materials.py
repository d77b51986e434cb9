"""Materials of imported meshes: as their library shows them, and in another colour."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import bpy
import numpy as np

_METAL = re.compile(
    r"chrom|stainl|steel|alumin|^alu$|^metall?(\.\d+)?$|galvanized|^patas_metal$", re.I
)


def linear(colour: Sequence[float]) -> tuple[float, ...]:
    """Colours: sRGB as shown, 0 to 1, to linear light (IEC 61966-2-1)."""
    return tuple(c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in colour)


def from_hex(text: str) -> tuple[float, ...]:
    """``#B3202A`` to linear light."""
    return linear([int(text[i : i + 2], 16) / 255 for i in (1, 3, 5)])


def shader_of(material: Any) -> Any | None:
    """The Principled node the importer makes, or None."""
    return material.node_tree.nodes.get("Principled BSDF") if material.use_nodes else None


def as_displayed(material: Any) -> None:
    """Make a material of the OBJ importer look as the library's own program shows it."""
    shader = shader_of(material)
    if shader is None:
        return
    links = material.node_tree.links
    base, texture = shader.inputs["Base Color"], texture_of(material)
    # Kd is written as shown on a screen, and read as linear light.
    base.default_value = (*linear(base.default_value[:3]), 1.0)
    for name in ("Normal", "Specular IOR Level", "Roughness", "Alpha"):
        for link in list(shader.inputs[name].links):
            links.remove(link)
    if texture is None:
        for link in list(base.links):
            links.remove(link)  # a file of the author's own disk: it would render magenta
    elif texture.image.depth == 32:
        # These libraries put transparency into the colour texture; the importer expects map_d.
        links.new(texture.outputs["Alpha"], shader.inputs["Alpha"])
    roughness = shader.inputs["Roughness"]
    roughness.default_value = max(0.3, roughness.default_value)
    shader.inputs["Specular IOR Level"].default_value = 0.35
    if _METAL.search(material.name) and texture is None:
        shader.inputs["Metallic"].default_value = 1.0
        roughness.default_value = 0.25
        base.default_value = (0.6, 0.6, 0.62, 1.0)


def texture_of(material: Any) -> Any | None:
    """The node with the picture a material's colour comes from, or None."""
    shader = shader_of(material)
    if shader is None or not shader.inputs["Base Color"].is_linked:
        return None
    node = shader.inputs["Base Color"].links[0].from_node
    usable = node.type == "TEX_IMAGE" and node.image is not None and node.image.size[0] > 0
    return node if usable else None


def paint(whole: Any, colour: Sequence[float], names: Sequence[str]) -> None:
    """Give a colour (linear light) to the materials that make up most of an object.

    A texture keeps its light and dark, as cloth does when it is dyed.

    Args:
        whole: the object.
        colour: red, green, blue.
        names: materials that take it; empty for the one of most area, and those like it.

    Raises:
        ValueError: the object has none of the named materials.
    """
    if not names:
        chosen = _main(whole)
    else:
        # Blender appends .001 where a name was taken.
        chosen = [
            slot.material
            for slot in whole.material_slots
            if slot.material and slot.material.name in names
        ]
    if not chosen:
        has = ", ".join(slot.name for slot in whole.material_slots)
        raise ValueError(f"{whole.name}: no material of {list(names)} to recolour; it has {has}")
    for material in chosen:
        _dye(material, colour)


def _dye(material: Any, colour: Sequence[float]) -> None:
    shader, texture = shader_of(material), texture_of(material)
    base = shader.inputs["Base Color"]
    shader.inputs["Metallic"].default_value = 0.0
    if texture is None:
        base.default_value = (*colour, 1.0)
        return
    nodes, links = material.node_tree.nodes, material.node_tree.links
    grey = nodes.new("ShaderNodeRGBToBW")
    links.new(texture.outputs["Color"], grey.inputs["Color"])
    relative = nodes.new("ShaderNodeMath")
    relative.operation = "DIVIDE"
    relative.inputs[1].default_value = _mean_light(texture.image)
    links.new(grey.outputs["Val"], relative.inputs[0])
    softer = nodes.new("ShaderNodeMath")
    softer.operation = "POWER"
    softer.inputs[1].default_value = 0.6
    links.new(relative.outputs["Value"], softer.inputs[0])
    scaled = nodes.new("ShaderNodeVectorMath")
    scaled.operation = "SCALE"
    scaled.inputs[0].default_value = tuple(colour)
    links.new(softer.outputs["Value"], scaled.inputs["Scale"])
    links.new(scaled.outputs["Vector"], base)


def _main(whole: Any) -> list[Any]:
    areas: dict[int, float] = {}
    for face in whole.data.polygons:
        areas[face.material_index] = areas.get(face.material_index, 0.0) + face.area
    largest = whole.material_slots[max(areas, key=areas.__getitem__)].material
    if largest is None or shader_of(largest) is None:
        return []
    return [
        slot.material
        for slot in whole.material_slots
        if slot.material and (slot.material == largest or _alike(slot.material, largest))
    ]


def _alike(one: Any, other: Any) -> bool:
    mine, theirs = texture_of(one), texture_of(other)
    if mine is not None and theirs is not None:
        return bool(mine.image.filepath == theirs.image.filepath)
    if mine is not None or theirs is not None or shader_of(one) is None:
        return False
    first, second = (
        np.array(shader_of(m).inputs["Base Color"].default_value) for m in (one, other)
    )
    metal = shader_of(one).inputs["Metallic"].default_value
    return bool(np.abs(first - second).max() < 0.03 and metal < 0.5)


def _mean_light(image: Any) -> float:
    """Mean of a texture's light, 0 to 1, linear."""
    pixels = np.empty(image.size[0] * image.size[1] * 4, np.float32)
    image.pixels.foreach_get(pixels)
    rgb = pixels.reshape(-1, 4)[:, :3]
    # Byte pictures hold values as shown; 2.2 is near enough for a mean.
    return max(0.02, float(((rgb**2.2) @ np.array([0.2126, 0.7152, 0.0722], np.float32)).mean()))


def plain(name: str, colour: Sequence[float], *, roughness: float = 0.7, glow: float = 0.0) -> Any:
    """A new material of one colour (linear light), shining by ``glow`` of itself."""
    material = bpy.data.materials.new(name)
    material.use_nodes = True
    shader = shader_of(material)
    shader.inputs["Base Color"].default_value = (*colour, 1.0)
    shader.inputs["Roughness"].default_value = roughness
    shader.inputs["Emission Color"].default_value = (*colour, 1.0)
    shader.inputs["Emission Strength"].default_value = glow
    return material
