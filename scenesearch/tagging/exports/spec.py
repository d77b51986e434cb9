"""What an export is to be and where: ``coco:boxes.json`` as a value, checked, then written."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Literal, NamedTuple, get_args

from scenesearch.core.errors import ConfigError
from scenesearch.tagging.exports.coco import write_coco
from scenesearch.tagging.exports.label_studio import write_label_studio
from scenesearch.tagging.exports.yolo import check_replaceable, write_yolo
from scenesearch.tagging.rows import TagRow

ExportFormat = Literal["coco", "yolo", "yolo-seg", "label-studio"]

FORMATS: tuple[ExportFormat, ...] = get_args(ExportFormat)

_EXPECTED = "coco:PATH.json, yolo:FOLDER, yolo-seg:FOLDER or label-studio:PATH.json"


class Export(NamedTuple):
    """One export: a file for ``coco`` and ``label-studio``, a folder for the others."""

    format: ExportFormat
    path: Path


def parse_export(spec: str) -> Export:
    """Read a spec, and look whether its place can be written to, before hours of tagging.

    Raises:
        ConfigError: the format is unknown, the path is missing or of the wrong kind, its folder
            does not exist, or something that is no export of ours is there.

    >>> parse_export("coco:boxes.json").format
    'coco'
    """
    name, colon, place = spec.partition(":")
    if name not in FORMATS:
        raise ConfigError(
            f"export {spec!r}: unknown format {name!r}; expected {_EXPECTED}", code="bad_export"
        )
    if not colon or not place.strip():
        raise ConfigError(
            f"export {spec!r}: there is no path after the format; expected {_EXPECTED}",
            code="bad_export",
        )
    path = Path(place).expanduser()
    if not path.absolute().parent.is_dir():
        raise ConfigError(
            f"export {spec!r}: there is no folder {str(path.absolute().parent)!r} to put it in; "
            f"create it first",
            code="bad_export",
        )
    made = Export(name, path)
    if made.format in ("yolo", "yolo-seg"):
        check_replaceable(path)
    elif path.suffix.lower() != ".json" or path.is_dir():
        got = "a folder" if path.is_dir() else f"{path.name!r}"
        raise ConfigError(
            f"export {spec!r}: {name} is one JSON file, got {got}; expected {name}:PATH.json",
            code="bad_export",
        )
    return made


def write_export(spec: str, rows: Iterable[TagRow]) -> Path:
    """Write rows as ``spec`` says; what was there before stays until the new export is whole.

    Args:
        spec: ``coco:PATH.json``, ``yolo:FOLDER``, ``yolo-seg:FOLDER`` or
            ``label-studio:PATH.json``; see docs/exports.md.
        rows: read once; those with an error are left out.

    Returns:
        The file or folder.

    Raises:
        ConfigError: the spec makes no sense, or the place cannot be written.
        NoSpaceError: the disk is full.
    """
    export = parse_export(spec)
    good = (row for row in rows if row.error is None)
    match export.format:
        case "coco":
            write_coco(export.path, good)
        case "label-studio":
            write_label_studio(export.path, good)
        case "yolo" | "yolo-seg":
            write_yolo(export.path, good, outlines=export.format == "yolo-seg")
    return export.path
