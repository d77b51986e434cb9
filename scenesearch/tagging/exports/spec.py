"""What an export is to be and where: ``coco:boxes.json`` as a value, checked before any work."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, NamedTuple, get_args

from scenesearch.core.errors import ConfigError
from scenesearch.tagging.exports.earlier import check_replaceable

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
