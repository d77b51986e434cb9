"""Tagging rows as files for other tools: COCO JSON, YOLO folders, Label Studio tasks.

Rows are read once, one at a time, and none is kept: what a million of them need in memory is the
set of their labels. Rows with an error are left out.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from scenesearch.tagging.exports.coco import write_coco
from scenesearch.tagging.exports.label_studio import write_label_studio
from scenesearch.tagging.exports.spec import FORMATS, Export, parse_export
from scenesearch.tagging.exports.yolo import write_yolo
from scenesearch.tagging.rows import TagRow

__all__ = ["FORMATS", "Export", "parse_export", "write_export"]


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
        case "yolo":
            write_yolo(export.path, good, outlines=False)
        case "yolo-seg":
            write_yolo(export.path, good, outlines=True)
    return export.path
