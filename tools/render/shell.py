"""The room itself: floor, walls, ceiling, window, rug, pictures, light. Drawn, not downloaded.

Nothing here is a product; it is what a photo has around them.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from math import pi
from typing import Any

import bpy

from tools.render import blender
from tools.render.materials import from_hex, plain, shader_of
from tools.render.plan import Placed, Plan, Room

_WALLS = ("#EFEBE3", "#E3E5E1", "#D9DED6", "#C9D3D9", "#E6D9C6", "#B9C4B4", "#D8C3B6", "#8FA1A8",
          "#F1EFEA", "#C8BFB2", "#6F8489", "#DAD3E0")  # fmt: skip
_ACCENTS = ("#5B7065", "#7C4B3F", "#38506B", "#A98B5D", "#8A8F94", "#C4A69A")
_WOODS = ("#8A5A34", "#B98B5B", "#5E3D26", "#C9A677", "#9C7A5A", "#71655A")
_TILES = ("#B9B4AA", "#8D8F90", "#D8D2C6", "#A38C78")
_RUGS = ("#8E3B34", "#2F4E6B", "#C9B79C", "#5F6F52", "#9A8F86", "#C58B4A", "#D9D5CB", "#474A50")
_FRONT = 3.4
"""How far, in metres, floor and side walls go on towards (and behind) the camera."""


def build(scene: Any, plan: Plan, draw: random.Random) -> None:
    """Everything around the furniture of a plan."""
    room = plan.room
    half, back, high = room.width / 2, room.depth, room.height
    wall = _wall_material(draw)
    accent = _wall_material(draw, _ACCENTS) if draw.random() < 0.3 else wall
    middle = (back - _FRONT) / 2
    long = back + _FRONT
    _box("floor", (0, middle, -0.05), (room.width, long, 0.1), _floor_material(draw))
    _box("ceiling", (0, middle, high + 0.05), (room.width, long, 0.1), _white())
    _box("wall", (0, back + 0.05, high / 2), (room.width + 0.2, 0.1, high), accent)
    # Closed behind the camera too, so that light comes back from there as it does in a room.
    _box("wall", (0, -_FRONT - 0.05, high / 2), (room.width + 0.2, 0.1, high), wall)
    for sign in (-1, 1):
        _box("wall", (sign * (half + 0.05), middle, high / 2), (0.1, long, high), wall)
        skirting = (sign * (half - 0.006), middle, 0.04)
        _box("skirting", skirting, (0.012, long, 0.08), _white())
    _box("skirting", (0, back - 0.006, 0.04), (room.width, 0.012, 0.08), _white())
    _window(scene, room, draw)
    _rug(plan, draw)
    _pictures(plan, draw)
    _light(scene, room, draw)


def _light(scene: Any, room: Room, draw: random.Random) -> None:
    warmth = draw.uniform(0.86, 1.0)
    lamp = (1.0, 0.94 * warmth + 0.05, 0.84 * warmth)
    middle = room.depth * 0.45
    blender.sky(scene, (0.9, 0.95, 1.0), 0.25)
    blender.add_area(
        scene,
        (draw.uniform(-0.4, 0.4), middle, room.height - 0.06),
        (0, middle, 0),
        size_m=(1.6, 1.6),
        watts=draw.uniform(45, 80),
        colour=lamp,
    )
    blender.add_area(
        scene,
        (draw.uniform(-1.2, 1.2), -_FRONT + 0.5, 2.1),
        (0, room.depth * 0.6, 0.7),
        size_m=(2.2, 1.4),
        watts=draw.uniform(35, 60),
        colour=(1.0, 0.98, 0.95),
    )


def _window(scene: Any, room: Room, draw: random.Random) -> None:
    wall, along, width = room.window
    sign = 1 if wall == "right" else -1
    low, tall = 0.95, min(1.3, room.height - 1.2)
    centre = (sign * (room.width / 2 - 0.005), along, low + tall / 2)
    sky = plain("sky", (0.82, 0.9, 1.0), glow=draw.uniform(2.0, 3.5))
    _box("pane", centre, (0.008, width, tall), sky)
    frame, thick = _white(), 0.055
    at = sign * (room.width / 2 - 0.02)
    for y in (-width / 2, 0.0, width / 2):
        _box("frame", (at, along + y, centre[2]), (0.04, thick, tall + thick), frame)
    for z in (-tall / 2, tall / 2):
        _box("frame", (at, along, centre[2] + z), (0.04, width + thick, thick), frame)
    sill = sign * (room.width / 2 - 0.08)
    _box("sill", (sill, along, low - 0.05), (0.16, width + 0.2, 0.03), frame)
    blender.add_area(
        scene,
        (sign * (room.width / 2 - 0.09), along, centre[2]),
        (-sign * room.width * 0.2, along, 0.5),
        size_m=(width, tall),
        watts=draw.uniform(70, 120),
        colour=(0.93, 0.97, 1.0),
    )


def _rug(plan: Plan, draw: random.Random) -> None:
    anchor = next(
        (p for p in plan.placed if p.piece.role in ("coffee_table", "bed", "dining_table")), None
    )
    if anchor is None or draw.random() < 0.25:
        return
    width, depth = anchor.piece.width + draw.uniform(0.7, 1.1), anchor.piece.depth + 0.8
    forward = draw.uniform(0.3, 0.5) if anchor.piece.role == "bed" else 0.1
    x, y = anchor.local(0.0, forward)
    rug = _box("rug", (x, y, 0.004), (width, depth, 0.008), _rug_material(draw))
    rug.rotation_euler.z = anchor.yaw * pi / 180


def _pictures(plan: Plan, draw: random.Random) -> None:
    """One to three framed prints on the back wall, above low things and clear of tall ones."""
    room = plan.room
    for _ in range(draw.choice((0, 1, 1, 2, 3))):
        width, tall = draw.choice(((0.5, 0.7), (0.7, 0.5), (0.4, 0.4), (0.9, 0.6)))
        x, z = draw.uniform(-room.width / 2 + 0.6, room.width / 2 - 0.6), draw.uniform(1.5, 1.65)
        near = [p for p in plan.placed if _in_the_way(p, room, x, width / 2 + 0.12, z - tall / 2)]
        others = [o for o in bpy.data.objects if o.name.startswith("print")]
        if near or any(abs(o.location.x - x) < 1.0 for o in others):
            continue
        dark = draw.random() < 0.5
        frame = plain("frame", from_hex("#2A2522" if dark else "#D9C8A8"))
        back = room.depth - 0.015
        _box("print", (x, back, z), (width + 0.05, 0.03, tall + 0.05), frame)
        _box("paper", (x, back - 0.016, z), (width, 0.004, tall), plain("paper", (0.8, 0.79, 0.75)))
        for step in range(draw.randint(2, 5)):
            part = (width * draw.uniform(0.12, 0.5), tall * draw.uniform(0.12, 0.5))
            off = (
                draw.uniform(-0.45, 0.45) * (width - part[0]),
                draw.uniform(-0.45, 0.45) * (tall - part[1]),
            )
            ink = plain("ink", from_hex(draw.choice(_ACCENTS + _RUGS)))
            where = (x + off[0], back - 0.02 - step * 0.001, z + off[1])
            _box("ink", where, (part[0], 0.002, part[1]), ink)


def _in_the_way(placed: Placed, room: Room, x: float, half: float, low: float) -> bool:
    corners = placed.footprint()
    return bool(
        placed.z + placed.piece.height > low - 0.05
        and corners[:, 1].max() > room.depth - 0.6
        and corners[:, 0].min() < x + half
        and corners[:, 0].max() > x - half
    )


def _box(name: str, middle: Sequence[float], size: Sequence[float], material: Any) -> Any:
    bpy.ops.mesh.primitive_cube_add(size=1.0, location=middle)
    box = bpy.context.active_object
    box.name = name
    # Sizes go into the mesh, so that textures by object coordinates are in metres.
    for vertex in box.data.vertices:
        vertex.co = [c * s for c, s in zip(vertex.co, size, strict=True)]
    box.data.materials.append(material)
    return box


def _white() -> Any:
    return plain("white", (0.8, 0.8, 0.78), roughness=0.6)


def _wall_material(draw: random.Random, colours: Sequence[str] = _WALLS) -> Any:
    colour = from_hex(draw.choice(colours))
    material = plain("wall", colour, roughness=0.9)
    kind = draw.random()
    if kind < 0.62:
        return material
    darker = tuple(c * draw.uniform(0.72, 0.9) for c in colour)
    if kind < 0.82:  # striped paper
        wave = _texture(material, "ShaderNodeTexWave", "XYZ")
        wave.wave_type, wave.bands_direction = "BANDS", "DIAGONAL"
        wave.inputs["Scale"].default_value = draw.uniform(2.0, 5.0)
        _two_colours(material, wave.outputs["Fac"], colour, darker)
    else:  # painted brick
        brick = _texture(material, "ShaderNodeTexBrick", "XZ")
        brick.inputs["Scale"].default_value = 1.0
        brick.inputs["Brick Width"].default_value, brick.inputs["Row Height"].default_value = (
            0.22,
            0.075,
        )
        brick.inputs["Mortar Size"].default_value = 0.008
        brick.inputs["Color1"].default_value = (*colour, 1)
        brick.inputs["Color2"].default_value = (*(c * 0.93 for c in colour), 1)
        brick.inputs["Mortar"].default_value = (*darker, 1)
        _use(material, brick.outputs["Color"])
    return material


def _floor_material(draw: random.Random) -> Any:
    kind = draw.random()
    colour = from_hex(draw.choice(_WOODS if kind < 0.65 else _TILES))
    material = plain("floor", colour, roughness=0.45 if kind < 0.85 else 0.95)
    if kind < 0.85:  # planks, or tiles
        planks = kind < 0.65
        brick = _texture(material, "ShaderNodeTexBrick", "XY")
        size = (1.4, 0.14) if planks else (0.45, 0.45)
        brick.offset = 0.37 if planks else 0.0
        brick.inputs["Scale"].default_value = 1.0
        brick.inputs["Brick Width"].default_value, brick.inputs["Row Height"].default_value = size
        brick.inputs["Mortar Size"].default_value = 0.0015 if planks else 0.004
        brick.inputs["Color1"].default_value = (*colour, 1)
        brick.inputs["Color2"].default_value = (*(c * 0.74 for c in colour), 1)
        brick.inputs["Mortar"].default_value = (*(c * 0.35 for c in colour), 1)
        _use(material, brick.outputs["Color"])
    else:
        noise = _texture(material, "ShaderNodeTexNoise", "XYZ")
        noise.inputs["Scale"].default_value = 60.0
        _two_colours(material, noise.outputs["Fac"], colour, tuple(c * 0.7 for c in colour))
    return material


def _rug_material(draw: random.Random) -> Any:
    one, two = (from_hex(c) for c in draw.sample(_RUGS, 2))
    material = plain("rug", one, roughness=1.0)
    kind = draw.choice(("plain", "stripes", "checks", "rings"))
    if kind == "plain":
        noise = _texture(material, "ShaderNodeTexNoise", "XYZ")
        noise.inputs["Scale"].default_value = 90.0
        _two_colours(material, noise.outputs["Fac"], one, tuple(c * 0.75 for c in one))
    elif kind == "checks":
        checks = _texture(material, "ShaderNodeTexChecker", "XYZ")
        checks.inputs["Scale"].default_value = draw.uniform(3, 6)
        _two_colours(material, checks.outputs["Fac"], one, two)
    else:
        wave = _texture(material, "ShaderNodeTexWave", "XYZ")
        wave.wave_type = "BANDS" if kind == "stripes" else "RINGS"
        if kind == "rings":
            wave.rings_direction = "Z"
        wave.inputs["Scale"].default_value = draw.uniform(1.0, 3.0)
        wave.inputs["Distortion"].default_value = draw.uniform(0.0, 1.5)
        _two_colours(material, wave.outputs["Fac"], one, two)
    return material


def _texture(material: Any, kind: str, axes: str) -> Any:
    """A texture node in metres; ``axes`` names which of the object's axes are its first ones."""
    nodes, links = material.node_tree.nodes, material.node_tree.links
    where = nodes.new("ShaderNodeTexCoord")
    texture = nodes.new(kind)
    if axes != "XZ":
        links.new(where.outputs["Object"], texture.inputs["Vector"])
        return texture
    # Along the wall and up, whichever way the wall runs: x + y is one of them there.
    parts, joined = nodes.new("ShaderNodeSeparateXYZ"), nodes.new("ShaderNodeCombineXYZ")
    along = nodes.new("ShaderNodeMath")
    links.new(where.outputs["Object"], parts.inputs["Vector"])
    links.new(parts.outputs["X"], along.inputs[0])
    links.new(parts.outputs["Y"], along.inputs[1])
    links.new(along.outputs["Value"], joined.inputs["X"])
    links.new(parts.outputs["Z"], joined.inputs["Y"])
    links.new(joined.outputs["Vector"], texture.inputs["Vector"])
    return texture


def _two_colours(material: Any, factor: Any, one: Sequence[float], two: Sequence[float]) -> None:
    mix = material.node_tree.nodes.new("ShaderNodeMix")
    mix.data_type = "RGBA"
    material.node_tree.links.new(factor, mix.inputs["Factor"])

    colours = [socket for socket in mix.inputs if socket.type == "RGBA"]
    colours[0].default_value, colours[1].default_value = (*one, 1), (*two, 1)
    result = next(socket for socket in mix.outputs if socket.type == "RGBA")
    _use(material, result)


def _use(material: Any, colour: Any) -> None:
    links = material.node_tree.links
    links.new(colour, shader_of(material).inputs["Base Color"])
