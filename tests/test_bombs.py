"""Image bombs are refused on their headers: in no time, and in no memory."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from bombs import generate

HERE = Path(__file__).parent
BOMBS = generate()

CHILD = """
import json, resource, sys, time
from pathlib import Path
from PIL import Image, features
from scenesearch.core.errors import ImageError
from scenesearch.images import load_scene

load_scene(Path(sys.argv[1]) / "innocent.png")
told = []
for path in sorted(Path(sys.argv[1]).glob("*.bomb")):
    data = path.read_bytes()
    start = time.process_time()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    try:
        load_scene(data)
        code = "accepted"
    except ImageError as error:
        code = error.code
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    told.append([path.stem, code, time.process_time() - start, grown / 1024])
print(json.dumps(told))
"""


def test_there_are_enough_of_them():
    assert len(BOMBS) >= 30
    assert len({name for name, _ in BOMBS}) == len(BOMBS)


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """Name, code, CPU seconds and megabytes of each, decoded in a process of its own."""
    folder = tmp_path_factory.mktemp("bombs")
    for name, data in BOMBS:
        (folder / f"{name}.bomb").write_bytes(data)
    from PIL import Image

    Image.new("RGB", (64, 64), "red").save(folder / "innocent.png")
    done = subprocess.run(
        [sys.executable, "-c", CHILD, str(folder)], capture_output=True, check=True, timeout=120
    )
    return {name: rest for name, *rest in json.loads(done.stdout)}


@pytest.mark.parametrize("name", [name for name, _ in BOMBS])
def test_a_bomb_is_refused_on_its_header(told, name):
    code, cpu, grown = told[name]

    assert code in {
        *("too_many_pixels", "corrupt_image", "too_many_scans", "aspect", "truncated_image"),
        *("unsupported_image", "image_too_small"),
    }
    # a decode of what it claims takes seconds and gigabytes
    assert cpu < 0.3
    assert grown < 64
