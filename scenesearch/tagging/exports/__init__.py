"""Tagging rows as files for other tools: COCO JSON, YOLO folders, Label Studio tasks.

Rows are read once, one at a time, and none is kept: what a million of them need in memory is the
set of their labels. Rows with an error are left out.
"""

from scenesearch.tagging.exports.spec import FORMATS, Export, parse_export, write_export

__all__ = ["FORMATS", "Export", "parse_export", "write_export"]
