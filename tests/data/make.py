"""Makes the data of an earlier build that ``test_old_data.py`` opens, by running that build.

    git worktree add ../old COMMIT
    python tests/data/make.py ../old

in an environment with that build's dependencies. The folder gets the first seven digits of the
commit as its name; ``made.json`` in it says on what it was made. The data are the build's own:
never make them again with a later one.
"""

from __future__ import annotations

import base64
import itertools
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pytest

HERE = Path(__file__).resolve().parent
COLOURS = ("red", "green", "blue", "yellow")
GROUPS = ("hall", "attic")
PORTIONS = 3
"""Photos of one batch of the tagging run that stops half way."""


class StoppedError(Exception):
    """The tagging run was stopped."""


def draw(helpers: Any) -> list[Any]:
    """Twelve items with two photos each, and photos of rooms, in the current folder."""
    from old_data import KNOWN

    items = []
    for n, (colour, shape) in enumerate(itertools.product(COLOURS, helpers.SIZES)):
        rng = np.random.default_rng(n)
        photos = []
        for place in range(2):
            image = helpers.product(colour, shape)
            image[:8, :8] = rng.integers(230, 256, (8, 8, 3), dtype=np.uint8)
            photos.append(helpers.save(image, Path(f"photos/{colour}-{shape}-{place}.png")))
        attributes = {
            "title": f"{colour} {shape} thing",
            "category": shape,
            "price": 10.5 * (n + 1),
            "stock": n % 5,
            "group": GROUPS[n % 2],
            "tags": (colour, "new"),
        }
        items.append(helpers.Item(f"{colour}-{shape}", tuple(photos), attributes))
    for n, known in enumerate(KNOWN):
        room = helpers.room(*(item.split("-") for item in known))
        room[-4:, -4:] = n
        helpers.save(room, Path(f"rooms/{n}.png"))
    for n in range(4):
        helpers.save(helpers.noise(n), Path(f"rooms/noise-{n}.png"))
    Path("rooms/broken.png").write_bytes(b"no picture")
    for file in Path("rooms").iterdir():
        os.utime(file, (1_700_000_000, 1_700_000_000))  # whole seconds are what an archive keeps
    return items


def make_store(catalog: Path) -> dict[str, Any]:
    """The store with its embedding cache, the known scenes and the collection of photos."""
    from old_data import KNOWN, answers

    from scenesearch import SceneSearch

    scenes = Path("scenes.jsonl")
    rows = [{"image": f"rooms/{n}.png", "items": known} for n, known in enumerate(KNOWN)]
    scenes.write_text("".join(json.dumps(row) + "\n" for row in rows))
    with SceneSearch("store") as shop:
        shop.index(catalog)
        shop.learn_scenes(scenes)
        shop.add_scenes([f"rooms/{n}.png" for n in range(len(KNOWN))])
    with SceneSearch("store") as shop:
        return answers(shop)


def make_ledger() -> list[Any]:
    """A tagging run that stops after its first batch; the rows that it would have given."""
    from scenesearch import SceneSearch
    from scenesearch.tagging.run import RunOptions

    def stop(now: Any) -> None:
        if now.photos >= PORTIONS:
            raise StoppedError

    options = RunOptions(batch=PORTIONS, workers=1)
    with SceneSearch("store") as shop:
        with suppress(StoppedError):
            shop.tag_to("tags/rooms.jsonl", "rooms", run=options, progress=stop)
        shop.tag_to("whole/rooms.jsonl", "rooms", run=options)
    lines = Path("whole/rooms.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def make_state(helpers: Any) -> dict[str, Any]:
    """The state of a service that did one job and got another one before it was stopped."""
    import service_app
    from old_data import CLICK, LIKE

    from scenesearch.service.state import State
    from scenesearch.service.state.records import JobRecord, Link

    given = service_app.product_photo("pink", "wide")
    records = [
        {"id": "pink-wide", "photos": [{"base64": base64.b64encode(given).decode()}]},
        {"id": "bad", "photos": [{"base64": "not base64!"}]},
        {"id": "broken", "photos": [{"base64": base64.b64encode(b"no picture").decode()}]},
    ]
    with service_app.serving(Path.cwd(), indexed=False) as service:
        client = service.client
        where = client.post("/v1/jobs", json={"records": records}).raise_for_status()
        where = where.headers["location"]
        while client.get(where).json()["status"] != "done":
            time.sleep(0.01)
        for one in (CLICK, LIKE):
            client.post("/v1/feedback", json=one).raise_for_status()
        done, errors = client.get(where).json(), client.get(f"{where}/errors").json()
        feedback = client.get("/v1/feedback").json()
    state = State("store", min_free_bytes=0)
    image = helpers.png(helpers.product("purple", "tall"))
    queued = [
        JobRecord(0, "purple-tall", (image,), {"price": 7.5, "tags": ["new"]}, 2),
        JobRecord(1, "linked", (Link("http://a.example.com/b.png"),), {}, 3),
    ]
    job, _ = state.jobs.add(queued)
    state.close()
    return {"done": done, "errors": errors, "feedback": feedback, "queued": job.id}


def environment_of(values: dict[str, Any], prefix: str = "SCENESEARCH_") -> dict[str, str]:
    """Settings as environment variables."""
    found = {}
    for name, value in values.items():
        variable = prefix + name.upper()
        if isinstance(value, dict) and name != "boosts":
            found |= environment_of(value, f"{variable}__")
        else:
            text = json.dumps(value, default=_text)
            # JSON for lists and mappings, everything else as it is
            found[variable] = text.strip('"') if text.startswith('"') else text
    return found


def _text(value: Any) -> str:
    return str(value.get_secret_value() if hasattr(value, "get_secret_value") else value)


def make_configuration(build: Path) -> dict[str, Any]:
    """What the build makes of ``settings.yaml``, which must have every key it knows."""
    from scenesearch import load_settings

    settings, usual = load_settings(build / "settings.yaml"), load_settings()
    same = list(_same(settings.model_dump(mode="json"), usual.model_dump(mode="json")))
    if same:
        raise AssertionError(f"settings.yaml must say something else of {', '.join(same)}")
    environment = environment_of(settings.model_dump())
    with pytest.MonkeyPatch.context() as monkeypatch:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        if load_settings() != settings:
            raise AssertionError("the environment says something else than settings.yaml")
    text = json.dumps(environment, indent=1)
    (build / "environment.json").write_text(f"{text}\n", encoding="utf-8")
    return dict(settings.model_dump(mode="json"))


def _same(got: Any, usual: Any, name: str = "") -> Any:
    if isinstance(got, dict) and usual:
        for key in usual:
            yield from _same(got[key], usual[key], f"{name}.{key}")
    elif isinstance(usual, list) and usual and isinstance(usual[0], dict):
        yield from _same(got[0], usual[0], f"{name}[0]")
    elif got == usual:
        yield name


def pack(build: Path, name: str, home: Path, *parts: str) -> None:
    """Keep parts of a folder as an archive; what is only reserved on the disk takes no space."""
    how = ("--sparse", "--format=gnu", "--sort=name", "--owner=0", "--group=0", "--numeric-owner")
    file = build / f"{name}.tar.xz"
    subprocess.run(["tar", "-cJf", file, "-C", home, *how, *parts], check=True)


def main() -> None:
    """Make the data of the build in the folder that is the first argument."""
    old = Path(sys.argv[1]).resolve()
    git = ["git", "-C", str(old), "rev-parse", "HEAD"]
    commit = subprocess.run(git, capture_output=True, text=True, check=True).stdout.strip()
    build = HERE / commit[:7]
    # the build's own package and fakes come first
    sys.path[:0] = [str(old), str(old / "tests")]
    sys.path.append(str(HERE.parent))
    import old_data
    import shop as helpers

    import scenesearch

    if not Path(scenesearch.__file__).is_relative_to(old):
        raise AssertionError(f"{scenesearch.__file__} is not of the build in {old}")
    for name in [name for name in os.environ if name.startswith("SCENESEARCH_")]:
        del os.environ[name]
    expected = {"settings": make_configuration(build)}
    os.environ |= old_data.ENVIRONMENT
    with tempfile.TemporaryDirectory() as home, pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.chdir(home)
        helpers.use_fakes(monkeypatch)
        catalog = helpers.write_catalog(Path(), draw(helpers))
        expected |= {"answers": make_store(catalog), "rows": make_ledger()}
        pack(build, "store", Path(home), "store", "photos", "rooms", catalog.name)
        pack(build, "ledger", Path(home), "tags", "rooms")
        expected["state"] = make_state(helpers)
        pack(build, "service", Path(home), "store")
    (build / "expected.json").write_text(json.dumps(expected) + "\n", encoding="utf-8")
    made = {
        "commit": commit,
        "python": platform.python_version(),
        "machine": platform.machine(),
        "numpy": np.__version__,
        "qdrant-edge-py": version("qdrant-edge-py"),
    }
    (build / "made.json").write_text(json.dumps(made, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
