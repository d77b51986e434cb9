"""ONNX Runtime as every part of this package gets it: sending nothing.

Since 1.29 its official builds for Linux and macOS report every session to Microsoft (names and
hashes of models among it) and keep a device id in the user's cache folder, unless told otherwise
before it is first used: https://github.com/microsoft/onnxruntime/pull/27379.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any


def forbid_telemetry() -> None:
    """Tell ONNX Runtime to report nothing; to be called before anything imports it.

    What the user has set stays.
    """
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")


def keep_ultralytics_home(folder: Path) -> None:
    """The same for ultralytics, which is built on it, and its settings below ``folder``.

    Ultralytics looks at the network and writes a settings file when it is imported, unless told
    otherwise by these variables; what the user has set stays.
    """
    folder.mkdir(parents=True, exist_ok=True)
    os.environ.setdefault("YOLO_CONFIG_DIR", str(folder.resolve()))
    for name, value in (("OFFLINE", "true"), ("AUTOINSTALL", "false"), ("VERBOSE", "false")):
        os.environ.setdefault(f"YOLO_{name}", value)
    forbid_telemetry()


def import_onnxruntime() -> Any:
    """The module ``onnxruntime``, silent."""
    forbid_telemetry()
    import onnxruntime

    if os.environ["ORT_DISABLE_TELEMETRY"] == "1":
        # the builds for Windows know no variable
        onnxruntime.disable_telemetry_events()
    return onnxruntime


def quiet_session(path: Path, threads: int = 0) -> Any:
    """A session on the CPU that warns of nothing, and whose threads sleep while they wait.

    Threads that spin while they wait gain 3 % on an idle machine, and halve the speed of one that
    also decodes the next photos or answers others.

    Args:
        path: of the model.
        threads: 0 for one a core.
    """
    ort = import_onnxruntime()
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
