"""Sweet Home 3D furniture libraries (``.sh3f``) to model records.

Takes the folder the libraries are in and the picks of ``picks.toml``; gives one record a model with
its real size, author and licence, and unpacks its mesh. Knows nothing of rendering.
"""

from __future__ import annotations

import re
import tomllib
import zipfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

LICENCES = {
    "BlendSwap-CC-0": ("CC0 1.0", "https://creativecommons.org/publicdomain/zero/1.0/"),
    "BlendSwap-CC-BY": ("CC BY 3.0", "https://creativecommons.org/licenses/by/3.0/"),
    "Scopia": ("CC BY 3.0", "https://creativecommons.org/licenses/by/3.0/"),
}
"""Licence and its address, by library: what each archive's own LICENSE.TXT says."""

PICKS = Path(__file__).with_name("picks.toml")

Matrix = tuple[float, float, float, float, float, float, float, float, float]


@dataclass(frozen=True, slots=True)
class Model:
    """One mesh of a library, and how this corpus uses it.

    Attributes:
        slug: stem of the mesh's file; unique over the picks.
        library: archive it comes from, without ``.sh3f``.
        member: path of the OBJ inside the archive.
        size_cm: (width, depth, height) as drawn in a room.
        rotation: row-major, applied to the OBJ's own axes (Y up) before anything else, or None.
        author: as the library names them.
        title: what a shop would call it.
        category: the catalogue's category.
        role: what :mod:`tools.render.layout` may do with it (``sofa``, ``side_chair``, ...).
        colours: names of :data:`tools.render.variants.COLOURS` it is sold in; ``natural`` keeps
            the mesh's own materials.
        recolour: names of the materials that take the colour; empty: the largest, and those alike.
        turn: degrees about the vertical that bring its front to face the viewer.
    """

    slug: str
    library: str
    member: str
    size_cm: tuple[float, float, float]
    rotation: Matrix | None
    author: str
    title: str
    category: str
    role: str
    colours: tuple[str, ...]
    recolour: tuple[str, ...] = ()
    turn: float = 0.0

    @property
    def licence(self) -> str:
        """Short name of its licence."""
        return LICENCES[self.library][0]


def read_library(path: Path) -> dict[str, dict[str, str]]:
    """The properties of each model of one archive, by the stem of its mesh.

    Raises:
        ValueError: the archive has no catalogue.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            text = archive.read("PluginFurnitureCatalog.properties").decode("latin-1")
    except (OSError, KeyError, zipfile.BadZipFile) as error:
        raise ValueError(
            f"{path}: not a furniture library: {error}; expected a .sh3f of the Debian package "
            f"sweethome3d-furniture"
        ) from error
    by_number: dict[str, dict[str, str]] = {}
    for line in text.splitlines():
        found = re.match(r"\s*(\w+)#(\d+)\s*=\s*(.*?)\s*$", line)
        if found:
            key, number, value = found.groups()
            by_number.setdefault(number, {})[key] = _unescaped(value)
    return {
        PurePosixPath(entry["model"]).stem: entry
        for entry in by_number.values()
        if "model" in entry
    }


def read_models(libraries: Path, picks: Path = PICKS) -> list[Model]:
    """The picked models, in the order of the picks.

    Raises:
        ValueError: a pick is in no library, or is named twice.
    """
    entries: dict[str, dict[str, dict[str, str]]] = {}
    models: dict[str, Model] = {}
    for pick in tomllib.loads(picks.read_text(encoding="utf-8"))["model"]:
        library, slug = pick["library"], pick["slug"]
        if library not in entries:
            entries[library] = read_library(libraries / f"{library}.sh3f")
        if slug not in entries[library] or slug in models:
            raise ValueError(
                f"{picks}: pick {slug!r} of {library} is named twice or is not in that library; "
                f"expected the stem of one of its meshes"
            )
        models[slug] = _model(pick, entries[library][slug])
    return list(models.values())


def unpack(model: Model, libraries: Path, scratch: Path) -> Path:
    """Put the mesh with its materials and textures under ``scratch``; give the OBJ's path.

    Safe to call from several processes at once: what is there is left alone.
    """
    folder = str(PurePosixPath(model.member).parent)
    base = scratch / model.library
    done = base / folder / ".complete"
    if not done.exists():
        with zipfile.ZipFile(libraries / f"{model.library}.sh3f") as archive:
            for name in archive.namelist():
                if name.startswith(folder + "/") and not name.endswith("/"):
                    archive.extract(name, base)
        done.touch()
    return base / model.member


def _model(pick: dict[str, object], entry: dict[str, str]) -> Model:
    rotation = entry.get("modelRotation")
    numbers = tuple(float(n) for n in rotation.split()) if rotation else None
    if numbers is not None and len(numbers) != 9:
        raise ValueError(f"modelRotation of {pick['slug']} has {len(numbers)} numbers, expected 9")
    width, depth, height = (float(entry[name]) for name in ("width", "depth", "height"))
    return Model(
        slug=str(pick["slug"]),
        library=str(pick["library"]),
        member=entry["model"].lstrip("/"),
        size_cm=(width, depth, height),
        rotation=numbers,  # type: ignore[arg-type]  # nine, checked above
        author=entry.get("creator", pick["library"]),  # type: ignore[arg-type]
        title=str(pick["title"]),
        category=str(pick["category"]),
        role=str(pick["role"]),
        colours=tuple(pick["colours"]),  # type: ignore[arg-type]
        recolour=tuple(pick.get("recolour", ())),  # type: ignore[arg-type]
        turn=float(pick.get("turn", 0.0)),  # type: ignore[arg-type]
    )


def _unescaped(value: str) -> str:
    """Undo the escapes of a Java properties file."""
    value = re.sub(r"\\u([0-9a-fA-F]{4})", lambda m: chr(int(m[1], 16)), value)
    return re.sub(r"\\(.)", r"\1", value)
