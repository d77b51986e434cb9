"""The one file that drives Blender's scene: import, size, materials, camera, render.

Metres, Z up, a model's front towards -Y, its footprint's centre at the origin and its lowest point
at z = 0. Works on ``bpy`` as a module; nothing here needs a display.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator, Sequence
from math import radians
from pathlib import Path
from typing import Any

import bpy
import numpy as np
from mathutils import Matrix, Vector

from tools.render.materials import as_displayed
from tools.render.models import Model

THREADS = 2
"""Of a render; fewer where several runs share a machine."""


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Send what Blender prints from C (a line for each tile and file) to nowhere."""
    sys.stdout.flush()
    kept = os.dup(1)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 1)
        yield
    finally:
        sys.stdout.flush()
        os.dup2(kept, 1)
        os.close(kept)
        os.close(nowhere)


def fresh_scene(size_wh: tuple[int, int], *, samples: int, seed: int) -> Any:
    """An empty scene set up for Cycles on the CPU, denoised."""
    bpy.ops.wm.read_factory_settings(use_empty=True)
    scene = bpy.context.scene
    scene.render.engine = "CYCLES"
    scene.render.resolution_x, scene.render.resolution_y = size_wh
    scene.render.resolution_percentage = 100
    scene.render.threads_mode = "FIXED"
    scene.render.threads = THREADS
    scene.render.use_persistent_data = True
    scene.cycles.device = "CPU"
    scene.cycles.samples = samples
    scene.cycles.seed = seed
    scene.cycles.use_adaptive_sampling = True
    scene.cycles.adaptive_threshold = 0.03
    scene.cycles.use_denoising = True
    scene.cycles.denoiser = "OPENIMAGEDENOISE"
    scene.cycles.max_bounces = 6
    scene.cycles.transparent_max_bounces = 16
    scene.cycles.sample_clamp_indirect = 4.0
    scene.world = bpy.data.worlds.new("world")
    scene.world.use_nodes = True
    scene.view_settings.view_transform = "Standard"
    return scene


def sky(scene: Any, colour: Sequence[float], strength: float) -> None:
    """Light the scene evenly from all sides."""
    background = scene.world.node_tree.nodes["Background"]
    background.inputs["Color"].default_value = (*colour, 1.0)
    background.inputs["Strength"].default_value = strength


def import_model(model: Model, obj: Path) -> Any:
    """Load a mesh as one object, of its real size, standing on the floor."""
    before = set(bpy.data.objects)
    materials = set(bpy.data.materials)
    with quiet():
        bpy.ops.wm.obj_import(filepath=str(obj), forward_axis="NEGATIVE_Z", up_axis="Y")
    parts = [o for o in bpy.data.objects if o not in before]
    meshes = [o for o in parts if o.type == "MESH"]
    bpy.ops.object.select_all(action="DESELECT")
    for part in meshes:
        part.select_set(True)
    bpy.context.view_layer.objects.active = meshes[0]
    bpy.ops.object.transform_apply(location=True, rotation=True, scale=True)
    if len(meshes) > 1:
        bpy.ops.object.join()
    whole = bpy.context.view_layer.objects.active
    if model.rotation is not None:
        whole.data.transform(_in_blender_axes(model.rotation))
    whole.data.transform(Matrix.Rotation(radians(model.turn), 4, "Z"))
    _fit(whole, model)
    for material in set(bpy.data.materials) - materials:
        as_displayed(material)
    whole.name = model.slug
    return whole


def look_at(camera: Any, target: Sequence[float]) -> None:
    """Turn a camera or a light towards a point."""
    way = Vector(target) - camera.location
    camera.rotation_euler = way.to_track_quat("-Z", "Y").to_euler()


def add_camera(scene: Any, where: Sequence[float], target: Sequence[float], lens_mm: float) -> Any:
    """A camera that is the scene's own, on a sensor 36 mm wide."""
    camera = bpy.data.objects.new("camera", bpy.data.cameras.new("camera"))
    scene.collection.objects.link(camera)
    camera.location = where
    camera.data.lens = lens_mm
    camera.data.clip_start = 0.02
    look_at(camera, target)
    scene.camera = camera
    return camera


def add_area(
    scene: Any,
    where: Sequence[float],
    target: Sequence[float],
    *,
    size_m: tuple[float, float],
    watts: float,
    colour: Sequence[float] = (1.0, 1.0, 1.0),
) -> Any:
    """A rectangular light that the camera does not see."""
    data = bpy.data.lights.new("area", "AREA")
    data.shape = "RECTANGLE"
    data.size, data.size_y = size_m
    data.energy = watts
    data.color = colour
    light = bpy.data.objects.new("area", data)
    light.location = where
    light.visible_camera = False
    scene.collection.objects.link(light)
    look_at(light, target)
    return light


def render(scene: Any, path: Path) -> None:
    """Render to a PNG."""
    scene.render.image_settings.file_format = "PNG"
    scene.render.image_settings.color_mode = "RGBA" if scene.render.film_transparent else "RGB"
    scene.render.image_settings.compression = 15
    scene.render.filepath = str(path)
    with quiet():
        bpy.ops.render.render(write_still=True)


def corners(whole: Any) -> np.ndarray:
    """The vertices of an object, in the world; shape (n, 3)."""
    flat = np.empty(len(whole.data.vertices) * 3, np.float32)
    whole.data.vertices.foreach_get("co", flat)
    turned = np.array(whole.matrix_world, np.float32)
    return flat.reshape(-1, 3) @ turned[:3, :3].T + turned[:3, 3]


def _in_blender_axes(rows: Sequence[float]) -> Matrix:
    # (x, y, z) of the OBJ is (x, -z, y) here.
    change = Matrix(((1, 0, 0), (0, 0, -1), (0, 1, 0)))
    own = Matrix((rows[0:3], rows[3:6], rows[6:9]))
    return (change @ own @ change.transposed()).to_4x4()


def _fit(whole: Any, model: Model) -> None:
    points = corners(whole)
    low, high = points.min(axis=0), points.max(axis=0)
    wanted = np.array(model.size_cm, np.float32) / 100
    if round(model.turn / 90) % 2:
        wanted = wanted[[1, 0, 2]]
    scale = wanted / np.maximum(high - low, 1e-6)
    middle = (low + high) / 2
    shift = Matrix.Translation((-middle[0], -middle[1], -low[2]))
    whole.data.transform(Matrix.Diagonal((*scale.tolist(), 1.0)) @ shift)
    whole.data.update()
