"""One tagging run in a process of its own: what the tagging benchmarks kill, fill and weigh.

Prints ``kept N`` whenever N photos are in the ledger, and a JSON text at the end; exits as the
command line does.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tag_photos import QuickTagger

from scenesearch.cli.app import exit_code
from scenesearch.core.errors import SceneSearchError
from scenesearch.core.types import Scene
from scenesearch.tagging.rows import TagRow
from scenesearch.tagging.run import RunOptions, SceneTagger, TagProgress, run_tagging


class Logged:
    """A tagger that writes down how many photos each call got."""

    def __init__(self, inner: SceneTagger, log: Path) -> None:
        self._inner = inner
        self._log = log.open("a", encoding="ascii")
        self.fingerprint = inner.fingerprint
        self.load, self.close = inner.load, inner.close

    def tag(self, scenes: Sequence[Scene]) -> list[TagRow]:
        """What the inner one says."""
        self._log.write(f"{len(scenes)}\n")
        self._log.flush()
        return self._inner.tag(scenes)


def command(
    sources: Path,
    out: Path,
    *,
    batch: int,
    workers: int,
    config: str | None = None,
    photo_s: float = 0.0,
    log: Path | None = None,
) -> list[str]:
    """What to run; without ``config`` with the quick tagger."""
    made = [sys.executable, __file__, str(sources), str(out), f"--batch={batch}"]
    made += [f"--workers={workers}", f"--photo-s={photo_s}"]
    made += [f"--config={config}"] if config else []
    return made + ([f"--log={log}"] if log else [])


def summary(asked: list[str]) -> dict[str, Any]:
    """The JSON text of a run that must not fail."""
    done = subprocess.run(asked, stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def build(config: str | None, photo_s: float) -> SceneTagger:
    """The quick tagger, or the one of a configuration."""
    if config is None:
        return QuickTagger(photo_s)
    from scenesearch.config.settings import load_settings
    from scenesearch.wiring import Parts, build_tagger

    return build_tagger(Parts(load_settings(config)))


def main() -> int:
    made = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    made.add_argument("sources")
    made.add_argument("out", type=Path)
    made.add_argument("--batch", type=int, default=32)
    made.add_argument("--workers", type=int, default=2)
    made.add_argument("--config")
    made.add_argument("--photo-s", type=float, default=0.0)
    made.add_argument("--log", type=Path)
    arguments = made.parse_args()
    tagger = build(arguments.config, arguments.photo_s)
    if arguments.log is not None:
        tagger = Logged(tagger, arguments.log)

    def progress(now: TagProgress) -> None:
        print(f"kept {now.photos}", flush=True)

    try:
        done = run_tagging(
            [arguments.sources],
            tagger,
            arguments.out,
            options=RunOptions(batch=arguments.batch, workers=arguments.workers),
            progress=progress,
        )
    except SceneSearchError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return exit_code(error)
    print(json.dumps({**asdict(done), "peak_mb": _peak_mb()}), flush=True)
    return 0


def _peak_mb() -> float:
    """Largest resident size of this process so far.

    Not ``getrusage``: what that says begins with the size of whoever started the process.
    """
    status = Path("/proc/self/status").read_text(encoding="ascii")
    (line,) = (line for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) / 1024


if __name__ == "__main__":
    sys.exit(main())
