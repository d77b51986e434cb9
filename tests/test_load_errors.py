"""What libraries raise on broken weights, and how it is said."""

from __future__ import annotations

import pytest

from scenesearch.models.load_errors import checkpoint_errors, one_line, onnx_errors


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (RuntimeError("Weights only load failed. Re-run\n with ..."), "Weights only load failed"),
        (RuntimeError("Error in X:\n\tno key:  'a.b', 3"), "Error in X: no key: 'a.b', 3"),
        (OSError(2, "No such file", "m.pt"), "[Errno 2] No such file: 'm.pt'"),
        (ValueError("No graph was found."), "No graph was found"),
        (EOFError(), "EOFError"),
        (KeyError("model"), "'model'"),
        (RuntimeError("x" * 500), "x" * 239 + "…"),
    ],
    ids=["advice_is_cut", "lines_join", "file_names_stay", "full_stop", "empty", "key", "long"],
)
def test_an_error_is_said_in_one_line(error, said):
    assert one_line(error) == said


def test_what_derives_from_exception_itself_is_named():
    from onnxruntime.capi.onnxruntime_pybind11_state import InvalidProtobuf

    SafetensorError = pytest.importorskip("safetensors").SafetensorError

    assert InvalidProtobuf in onnx_errors()
    assert SafetensorError in checkpoint_errors()
    for kinds in (onnx_errors(), checkpoint_errors()):
        assert Exception not in kinds
        assert KeyboardInterrupt not in kinds
