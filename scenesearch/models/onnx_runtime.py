"""ONNX Runtime as every part of this package gets it: sending nothing.

Since 1.29 its official builds for Linux and macOS report every session to Microsoft (names and
hashes of models among it) and keep a device id in the user's cache folder, unless told otherwise
before it is first used: https://github.com/microsoft/onnxruntime/pull/27379.
"""

from __future__ import annotations

import os
from typing import Any


def forbid_telemetry() -> None:
    """Tell ONNX Runtime to report nothing; to be called before anything imports it.

    What the user has set stays.
    """
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")


def import_onnxruntime() -> Any:
    """The module ``onnxruntime``, silent."""
    forbid_telemetry()
    import onnxruntime

    if os.environ["ORT_DISABLE_TELEMETRY"] == "1":
        # the builds for Windows know no variable
        onnxruntime.disable_telemetry_events()
    return onnxruntime
