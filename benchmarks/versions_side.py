"""One side of versions.py: does rounds of work as they are asked for, and says what each cost.

It uses the public Python API alone, so that it runs with any version: a line of standard input is
a JSON list of the kind of work and how much of it; the answer is CPU-seconds of this process.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from scenesearch import SceneSearch, load_settings

WORDS = ("white wardrobe", "blue armchair under 200", "lamp, not black", "rug", "oak table")


def main(store: str, config: str, catalog: str, photos: list[str]) -> int:
    """Work until standard input ends."""
    settings = load_settings(config)
    with SceneSearch(store, config=settings) as shop:

        def look(count: int) -> None:
            for number in range(count):
                shop.shop_the_look(photos[number % len(photos)])

        def words(count: int) -> None:
            for number in range(count):
                shop.search(WORDS[number % len(WORDS)])

        def index(count: int) -> None:
            lines = Path(catalog).read_text(encoding="utf-8").splitlines()[: count + 1]
            with tempfile.TemporaryDirectory() as folder:
                part = Path(folder) / "part.csv"
                part.write_text("\n".join(lines) + "\n", encoding="utf-8")
                with SceneSearch(Path(folder) / "store", config=settings) as fresh:
                    fresh.index(part, image_root=Path(catalog).parent)

        work: dict[str, Callable[[int], None]] = {"look": look, "words": words, "index": index}
        for line in sys.stdin:
            kind, count = json.loads(line)
            print(json.dumps(_cpu_s(work[kind], count)), flush=True)
    return 0


def _cpu_s(work: Callable[[int], None], count: int) -> Any:
    start = time.process_time()
    work(count)
    return time.process_time() - start


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2], sys.argv[3], sys.argv[4:]))
