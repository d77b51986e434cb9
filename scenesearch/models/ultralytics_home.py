"""ultralytics kept at home: before it is imported, for running models and for training them."""

from __future__ import annotations

import os
from pathlib import Path

from scenesearch.models.onnx_runtime import forbid_telemetry


def keep_home(folder: Path) -> None:
    """Keep ultralytics from reporting anything, and its settings below ``folder``.

    It looks at the network and writes a settings file when it is imported, unless told otherwise
    by these variables; what the user has set stays.
    """
    folder.mkdir(parents=True, exist_ok=True)
    os.environ.setdefault("YOLO_CONFIG_DIR", str(folder.resolve()))
    for name, value in (("OFFLINE", "true"), ("AUTOINSTALL", "false"), ("VERBOSE", "false")):
        os.environ.setdefault(f"YOLO_{name}", value)
    forbid_telemetry()
