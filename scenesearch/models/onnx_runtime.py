"""ONNX Runtime as every part of this package gets it: sending nothing.

Since 1.29 its official builds for Linux and macOS report every session to Microsoft (names and
hashes of models among it) and keep a device id in the user's cache folder, unless told otherwise
before it is first used: https://github.com/microsoft/onnxruntime/pull/27379.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from scenesearch.core.errors import ModelLoadError


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


def quiet_session(path: Path, threads: int = 0, device: str = "cpu") -> Any:
    """A session that warns of nothing, and whose threads sleep while they wait.

    Threads that spin while they wait gain 3 % on an idle machine, and halve the speed of one that
    also decodes the next photos or answers others.

    Args:
        path: of the model.
        threads: 0 for one a core.
        device: ``cpu``, or ``cuda`` and ``cuda:1`` where onnxruntime-gpu is installed.

    Raises:
        ModelLoadError: this build of ONNX Runtime does not know the device.
    """
    ort = import_onnxruntime()
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    # photos and batches differ in size, so that a plan of memory by size only adds up
    options.enable_mem_pattern = False
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    providers: list[Any] = ["CPUExecutionProvider"]
    if device != "cpu":
        kind, _, number = device.partition(":")
        provider = f"{kind.upper()}ExecutionProvider"
        if provider not in ort.get_available_providers():
            raise ModelLoadError(
                f"ONNX Runtime cannot use the device {device!r}: this build knows "
                f"{', '.join(ort.get_available_providers())}; install onnxruntime-gpu in its "
                f"place, or scenesearch[models] and set runtime: torch, or set device: cpu"
            )
        providers.insert(0, (provider, {"device_id": number or "0"}))
    return ort.InferenceSession(str(path), options, providers=providers)
