"""A warm look's CPU over that of the kernels it cannot do without: decoder, models, engine.

One warm round of looks is recorded at the libraries' own border: every ``InferenceSession.run``
and every batch that the embedded engine is asked. The kernels' own are the same calls with the
same arrays again, in sessions of one thread and default options, and Pillow's decoding of the
photos; the looks are whole, from the file on, with the threads that the settings say. CPU-seconds
of the process, rounds in turns. It stands on the public Python API, ONNX Runtime and the engine
alone, so that it runs with any version: ``PYTHON benchmarks/kernels.py`` of each.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import qdrant_edge
from measure import Report, parser
from PIL import Image

Call = Callable[[], object]


class Recorder:
    """Stands before the libraries' classes and keeps what they are asked, while it is ``on``."""

    def __init__(self) -> None:
        self.on = False
        self.calls: dict[str, list[Call]] = {"models": [], "engine": []}
        self.work = 0
        self._sessions: dict[Any, Any] = {}

    def stand_before(self) -> None:
        """Before anything imports scenesearch."""
        recorder, real_session, real_shard = (
            self,
            onnxruntime.InferenceSession,
            qdrant_edge.EdgeShard,
        )

        class Session(real_session):  # type: ignore[misc, valid-type]
            def __init__(self, model: Any, *args: Any, **kwargs: Any) -> None:
                super().__init__(model, *args, **kwargs)
                self.model = model

            def run(self, names: Any, feeds: Any, options: Any = None) -> Any:
                if recorder.on:
                    recorder.keep_run(real_session, self.model, names, feeds)
                return super().run(names, feeds, options)

            def run_with_iobinding(self, binding: Any, options: Any = None) -> None:
                # its feeds are only known where they were bound, as ultralytics does it
                if recorder.on:
                    raise SystemExit("a session ran with a binding, which is not recorded")
                super().run_with_iobinding(binding, options)

        class Shard:
            def __init__(self, real: Any) -> None:
                self.real = real

            def __getattr__(self, name: str) -> Any:
                return getattr(self.real, name)

            def query_batch(self, requests: Any) -> Any:
                if recorder.on:
                    recorder.calls["engine"].append(lambda: self.real.query_batch(requests))
                return self.real.query_batch(requests)

            @staticmethod
            def load(*args: Any) -> Shard:
                return Shard(real_shard.load(*args))

            @staticmethod
            def create(*args: Any) -> Shard:
                return Shard(real_shard.create(*args))

        onnxruntime.InferenceSession = Session
        qdrant_edge.EdgeShard = Shard

    def keep_run(self, real: Any, model: Any, names: Any, feeds: Any) -> None:
        """A call of a model, to be made again in a session of one thread."""
        key = str(model) if isinstance(model, str | Path) else id(model)
        if key not in self._sessions:
            options = onnxruntime.SessionOptions()
            options.intra_op_num_threads = 1
            options.log_severity_level = 3
            self._sessions[key] = real(model, options, providers=["CPUExecutionProvider"])
        session = self._sessions[key]
        kept = {name: np.array(value) for name, value in feeds.items()}
        self.work += sum(value.nbytes for value in kept.values())
        self.calls["models"].append(lambda: session.run(names, kept))


def main() -> int:
    arguments = _arguments()
    recorder = Recorder()
    recorder.stand_before()
    from scenesearch import SceneSearch, load_settings

    settings = load_settings(arguments.config)
    with SceneSearch(arguments.store, config=settings) as shop:

        def looks() -> None:
            for photo in arguments.photos:
                shop.shop_the_look(photo)

        looks()
        recorder.on = True
        looks()
        recorder.on = False
        pieces: dict[str, Call] = {
            "decoding": lambda: [_decoded(photo) for photo in arguments.photos],
            **{kind: lambda calls=calls: _all(calls) for kind, calls in recorder.calls.items()},
        }
        spent: dict[str, list[float]] = {name: [] for name in ("looks", *pieces)}
        for name, side in {"looks": looks, **pieces}.items():
            side()
            spent[name] = []
        for _ in range(arguments.repeats):
            for name, side in {"looks": looks, **pieces}.items():
                spent[name].append(_cpu_s(side))
    number = len(arguments.photos)
    report = Report(f"Warm looks of {number} photos over the kernels' own, {arguments.config}")
    report.facts["runs of models a look"] = len(recorder.calls["models"]) / number
    report.facts["bytes given to models a look"] = recorder.work // number
    report.facts["CPU flags"] = _flags()
    for name, taken in spent.items():
        report.add(f"{name}: CPU each", 1000 * statistics.median(taken) / number, "ms")
    ratios = [
        whole / sum(spent[name][i] for name in pieces) for i, whole in enumerate(spent["looks"])
    ]
    report.add("look over the kernels' own", statistics.median(ratios), at_most=1.25)
    report.print(as_json=arguments.json)
    return 0


def _decoded(photo: Path) -> Any:
    with Image.open(photo) as image:
        return np.asarray(image.convert("RGB"))


def _all(calls: list[Call]) -> None:
    for call in calls:
        call()


def _cpu_s(side: Call) -> float:
    start = time.process_time()
    side()
    return time.process_time() - start


def _flags() -> str:
    text = Path("/proc/cpuinfo").read_text(encoding="utf-8") if sys.platform == "linux" else ""
    known = next((line for line in text.splitlines() if line.startswith("flags")), "")
    return " ".join(one for one in ("avx2", "avx512f", "avx_vnni", "avx512_vnni") if one in known)


def _arguments() -> Any:
    made = parser(__doc__)
    made.add_argument("store", type=Path, help="an index; a copy, if anything else uses it")
    made.add_argument("photos", nargs="+", type=Path)
    made.add_argument("--config", default="cpu-small")
    made.add_argument("--repeats", type=int, default=5)
    return made.parse_args()


if __name__ == "__main__":
    sys.exit(main())
