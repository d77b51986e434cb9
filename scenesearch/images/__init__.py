"""Photos of any origin to scenes; see :func:`load_scene`."""

from __future__ import annotations

from scenesearch.images.load import ImageSource, load_scene

__all__ = ["ImageSource", "load_scene"]
