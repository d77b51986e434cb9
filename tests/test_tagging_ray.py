"""Tagging on a Ray cluster: the same rows as on one machine, whatever happens to the workers."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import psutil
import pytest
import ray_child as child
from fakes.models import COLOURS
from PIL import Image
from shop import contents

import scenesearch
from scenesearch.api.opened import Opened
from scenesearch.api.scenes import _on_ray
from scenesearch.config.settings import load_settings
from scenesearch.core.errors import ConfigError, ModelNotFoundError, SceneSearchError
from scenesearch.scenes.fill import FillingTagger
from scenesearch.system.ray_cluster import RayOptions
from scenesearch.tagging.decode import Decoded, Unchanged, Undecoded
from scenesearch.tagging.ledger import Entry, Finished
from scenesearch.tagging.ray_cluster import connected, plan_workers
from scenesearch.tagging.ray_messages import (
    from_block,
    of_entry,
    of_error,
    of_finished,
    of_outcome,
    to_block,
    to_entry,
    to_error,
    to_finished,
    to_outcome,
)
from scenesearch.tagging.rows import Tag, TagRow
from scenesearch.tagging.run import RunOptions, run_tagging
from scenesearch.tagging.sources import Identity, Source
from scenesearch.wiring import build_store

CHILD = Path(__file__).with_name("ray_child.py")
KILLER = 77
"""Width of the photo that ends a worker."""


def sent(*messages):
    return from_block(to_block(messages))


SOURCE = Source("room \\xff.jpg", "room \udcff.jpg", identity=Identity(5, "7"))


@pytest.mark.parametrize(
    ("entry", "decision"),
    [
        (Entry(3, SOURCE, Identity(5, "7"), "work"), "work"),
        (Entry(4, SOURCE, None, "verify", "ab" * 32), "verify"),
        (Entry(0, Source("s3://b/k.jpg", "s3://b/k.jpg", remote=True)), "work"),
    ],
    ids=["a file whose name is no text", "to be compared by content", "in object storage"],
)
def test_an_entry_arrives_as_it_was_sent(entry, decision):
    (message,) = sent(of_entry(entry, entry.source.path))

    there = to_entry(message.values)

    assert (there.place, there.identity, there.known_sha256) == (
        *(entry.place, entry.identity, entry.known_sha256),
    )
    assert there.decision == decision
    assert (there.source.name, there.source.path) == (entry.source.name, entry.source.path)
    assert there.source.remote == entry.source.remote


def test_decoded_photos_arrive_pixel_by_pixel():
    rng = np.random.default_rng(0)
    photos = [rng.integers(0, 256, (h, w, 3), np.uint8) for h, w in ((2, 5), (7, 3))]
    found = [Decoded(image, f"{n}" * 64, ("odd",), 0.5) for n, image in enumerate(photos)]

    there = [to_outcome(one) for one in sent(*(of_outcome(Entry(0, SOURCE), f) for f in found))]

    for before, after in zip(found, there, strict=True):
        np.testing.assert_array_equal(after.image, before.image)
        assert (after.sha256, after.warnings, after.seconds) == (before.sha256, ("odd",), 0.5)


@pytest.mark.parametrize("outcome", [Unchanged("ab" * 32, 0.25), Undecoded("timed_out", "x: é", 2)])
def test_what_is_no_photo_arrives_too(outcome):
    assert to_outcome(*sent(of_outcome(Entry(0, SOURCE), outcome))) == outcome


def test_finished_sources_arrive_and_a_row_says_the_same():
    row = TagRow("a.jpg", "ab" * 32, 4, 3, tags=(Tag("chair", 0.123456, "label"),), models="m")
    done = Finished(2, "a.jpg", Identity(5, "7"), "ab" * 32, row, 1, copied=True)
    still = Finished(3, "b.jpg", Identity(6, ""))

    there = [to_finished(one.values) for one in sent(of_finished(done), of_finished(still))]

    assert there[1] == still
    assert there[0].row.to_dict() == row.to_dict()
    assert (there[0].identity, there[0].scene_warnings, there[0].copied) == (
        *(done.identity, 1, True),
    )


@pytest.mark.parametrize(
    ("error", "kind", "code", "said"),
    [
        (ModelNotFoundError("no weights"), ModelNotFoundError, "model_not_found", "no weights"),
        (SceneSearchError("x", code="own"), SceneSearchError, "own", "x"),
        (KeyError("k"), SceneSearchError, "ray_failed", "KeyError: 'k'"),
    ],
    ids=["of this package", "with a code of its own", "of anyone else"],
)
def test_an_error_of_a_node_is_raised_here_as_what_it_was(error, kind, code, said):
    (message,) = sent(of_error(error))

    there = to_error(message.values)

    assert type(there) is kind
    assert there.code == code
    assert said in str(there)


@pytest.mark.parametrize(
    ("cpus", "gpus", "options", "planned"),
    [
        (2, 0, {}, (1, 1)),
        (16, 0, {}, (1, 15)),
        (64, 0, {}, (7, 57)),
        (64, 0, {"cpus_per_worker": 4}, (1, 15)),
        (16, 0, {"decoders": 4}, (4, 12)),
        (64, 8, {"gpus": True}, (32, 8)),
        (4, 8, {"gpus": True}, (1, 3)),
    ],
    ids=["two cores", "one node", "cores", "wide", "asked", "GPUs", "more GPUs than cores"],
)
def test_workers_fill_a_cluster_and_fit_into_it(cpus, gpus, options, planned):
    how = RayOptions(**options)

    workers = plan_workers(cpus, gpus, how)

    assert workers == planned
    assert workers.decoders + workers.taggers * how.cpus_per_worker <= cpus


@pytest.mark.parametrize(
    ("cpus", "gpus", "options"),
    [
        (1, 0, {}),
        (0, 0, {}),
        (2, 0, {"cpus_per_worker": 2}),
        (4, 0, {"decoders": 4}),
        (8, 0, {"gpus": True}),
        (1, 1, {"gpus": True}),
        (8, 4, {"gpus": True, "decoders": 6}),
    ],
    ids=str,
)
def test_a_cluster_without_room_is_refused_rather_than_waited_for(cpus, gpus, options):
    with pytest.raises(ConfigError, match="need at least"):
        plan_workers(cpus, gpus, RayOptions(**options))


@pytest.mark.process
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--out", "-"], "give --out a file"),
        (["--out", "t.csv", "--scenes", "store"], "expected the URL of a Qdrant server"),
        (["--out", "t.csv", "--runner", "spark"], "'spark' is not one of"),
    ],
    ids=["rows on standard output", "photos in a folder", "another runner"],
)
def test_what_one_process_alone_can_do_is_refused_before_any_work(tmp_path, arguments, said):
    done = subprocess.run(
        [sys.executable, "-m", "scenesearch", "tag", ".", "--runner", "ray", *arguments],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "COLUMNS": "200"},
        timeout=60,
    )

    assert done.returncode == 2, done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_the_address_of_a_ray_client_is_refused():
    pytest.importorskip("ray")
    with pytest.raises(ConfigError, match="ray job submit"), connected(RayOptions("ray://h:10001")):
        pass


# from here on a real Ray of two CPUs, in a process of its own


def command(sources, out, **asked):
    asked = {"sources": [str(one) for one in sources], "out": str(out), "batch": 8, **asked}
    return [sys.executable, str(CHILD), json.dumps(asked)]


def on_ray(sources, out, **asked):
    """Summary, or class, code and text of the error."""
    pytest.importorskip("ray")
    done = subprocess.run(
        command(sources, out, **asked), capture_output=True, text=True, timeout=200
    )
    assert done.stdout, done.stderr
    said = json.loads(done.stdout.splitlines()[-1])
    return said.get("error") or SimpleNamespace(**said)


def locally(sources, out):
    return run_tagging(sources, child.fake_tagger(), out, options=RunOptions(batch=8, workers=1))


def picture(path, n):
    """Patches of flat colours, no two pictures alike."""
    rng = np.random.default_rng(n)
    pixels = rng.integers(120, 136, (48, 64 + n % 5, 3)).astype(np.uint8)
    for colour in rng.choice(list(COLOURS), 1 + n % 3, replace=False):
        x, y = rng.integers(0, 44), rng.integers(0, 28)
        pixels[y : y + 16, x : x + 16] = COLOURS[colour]
    Image.fromarray(pixels).save(path)


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """60 photos: some broken, one twice, one whose name is no text, one in object storage."""
    top = tmp_path_factory.mktemp("ray")
    folder = top / "photos"
    folder.mkdir()
    for n in range(54):
        picture(folder / f"{n:02}.png", n)
    (folder / "07.png").write_bytes(b"")
    (folder / "08.png").write_text("no photo")
    (folder / "23.png").write_bytes((folder / "23.png").read_bytes()[:400])
    (folder / "54.png").write_bytes((folder / "03.png").read_bytes())
    picture(Path(os.fsdecode(os.fsencode(folder) + b"/55\xff.png")), 55)
    picture(top / "56.png", 56)
    listed = top / "listed.txt"
    listed.write_text(f"file://{top}/56.png\nmissing.png\n  \nphotos/../56.png\n")
    return [folder, listed]


@pytest.fixture(scope="module")
def expected(photos, tmp_path_factory):
    """Rows of a local run."""
    out = tmp_path_factory.mktemp("local") / "tags.jsonl"
    locally(photos, out)
    return out


def failures(out):
    return out.with_name(f"{out.name}.failures.jsonl").read_bytes()


@pytest.mark.e2e
def test_rows_are_those_of_a_local_run_and_so_is_what_is_remembered(photos, expected, tmp_path):
    out = tmp_path / "tags.jsonl"

    summary = on_ray(photos, out)
    again = on_ray(photos[:1], out)
    here = locally(photos, out)

    rows = [json.loads(line) for line in expected.read_text(encoding="utf-8").splitlines()]
    assert len(rows) == summary.photos >= 58
    assert sum(bool(row["objects"]) for row in rows) > 40
    assert sum(bool(row["error"]) for row in rows) == summary.failed == 4
    assert out.read_bytes() == expected.read_bytes()
    assert failures(out) == failures(expected)
    assert {"start", "decode", "tag", "wait", "write", "output"} <= summary.stages.keys()
    # nothing to do in the folder: no Ray was started for it
    assert (again.done, again.workers) == (0, 0)
    assert "start" not in again.stages
    assert (here.done, here.skipped) == (0, summary.done)


def alive(processes):
    """Names of those that run, but for two agents of Ray's own, which look once a minute."""
    names = []
    for one in processes:
        with suppress(psutil.NoSuchProcess):
            if one.status() != psutil.STATUS_ZOMBIE and not one.name().endswith("Agent"):
                names.append(one.name())
    return names


@pytest.mark.e2e
def test_a_kill_leaves_no_worker_and_the_next_run_goes_on(photos, expected, tmp_path):
    pytest.importorskip("ray")
    out = tmp_path / "tags.jsonl"
    process = subprocess.Popen(
        command(photos, out, batch=4), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert process.stdout.readline().startswith("batch")
    left = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=60)
    end = time.monotonic() + 30
    while alive(left) and time.monotonic() < end:
        time.sleep(0.2)

    assert alive(left) == []
    done = locally(photos, out)

    assert done.skipped > 0
    assert out.read_bytes() == expected.read_bytes()


@pytest.mark.e2e
def test_a_photo_that_ends_its_worker_costs_that_photo(photos, tmp_path):
    folder, out, local = tmp_path / "photos", tmp_path / "ray.jsonl", tmp_path / "local.jsonl"
    folder.mkdir()
    for n in range(20):
        picture(folder / f"{n:02}.png", n)
    Image.new("RGB", (KILLER, 48), (1, 2, 3)).save(folder / "09.png")
    locally([folder], local)

    summary = on_ray([folder], out, kill=KILLER)

    ours, theirs = (
        {row["source"]: row for row in map(json.loads, path.read_text("utf-8").splitlines())}
        for path in (out, local)
    )
    killer = str(folder / "09.png")
    assert summary.failed == 1
    assert ours.pop(killer)["error"] == "worker_died"
    assert theirs.pop(killer)["error"] is None
    assert ours == theirs


@pytest.mark.e2e
@pytest.mark.parametrize(
    ("wrong", "kind", "code", "said"),
    [
        ({"fails": True}, "ModelLoadError", "model_load_failed", "broken on purpose"),
        ({"other": True}, "ModelError", "other_models", "give all nodes the same weights"),
        ({"cpus": 1}, "ConfigError", "ray_too_small", "need at least 1 + 1 CPUs"),
    ],
    ids=["weights are broken", "nodes have other models", "there is one core"],
)
def test_what_ends_a_run_says_so_once(photos, tmp_path, wrong, kind, code, said):
    error = on_ray(photos, tmp_path / "tags.jsonl", **wrong)

    assert error[:2] == [kind, code]
    assert said in error[2]


@pytest.mark.models
def test_real_models_give_the_same_rows_on_ray(shared_data, real_models, tmp_path):
    pytest.importorskip("ray")
    folder = tmp_path / "photos"
    folder.mkdir()
    for path in sorted((shared_data / "coco").rglob("*.jpg"))[:20]:
        (folder / path.name).symlink_to(path)
    (folder / "zz.jpg").write_text("no photo")
    env = {**os.environ, "SCENESEARCH_MODELS_DIR": str(real_models)}
    for runner in ("local", "ray"):
        done = subprocess.run(
            [
                *(sys.executable, "-m", "scenesearch", "tag", str(folder), "--config", "cpu-small"),
                *("--masks", "--workers", "1", "--runner", runner, "--ray-address", "local"),
                *("--out", str(tmp_path / f"{runner}.jsonl")),
            ],
            capture_output=True,
            text=True,
            timeout=280,
            env=env,
        )
        assert done.returncode == 3, done.stderr
        assert "failed 1 of 21 photos" in done.stdout

    assert (tmp_path / "ray.jsonl").read_bytes() == (tmp_path / "local.jsonl").read_bytes()


# photos that go into a collection on the way


def test_rows_of_a_run_that_fills_a_collection_name_the_models_alone():
    tagger = child.fake_tagger()
    filling = FillingTagger(tagger, None, "http://server:6333/scenes")

    assert filling.models == tagger.fingerprint
    assert filling.fingerprint != filling.models


def test_what_travels_to_a_node_can_be_read_there_and_holds_no_key(tmp_path):
    settings = load_settings(
        "offline", service={"read_keys": ["r" * 20], "write_keys": ["w" * 20]}, cache_dir=tmp_path
    )
    opened = Opened("http://server:6333", settings)
    values = _on_ray(opened, None, RayOptions(), fill=True).keywords["make_tagger"].args[0]

    assert load_settings(**values).detectors == settings.detectors
    assert "w" * 20 not in json.dumps(values)


@pytest.mark.store
@pytest.mark.skipif("QDRANT_URL" not in os.environ, reason="QDRANT_URL names no Qdrant server")
def test_a_collection_that_a_cluster_fills_is_that_of_a_local_run(tmp_path):
    pytest.importorskip("ray")
    rooms = tmp_path / "rooms"
    shutil.copytree(Path(scenesearch.__file__).parent / "_data" / "sample" / "rooms", rooms)
    for n in range(30):
        picture(rooms / f"{n:02}.png", n)
    store, out = tmp_path / "store", tmp_path / "ray.jsonl"
    url, key = os.environ["QDRANT_URL"], os.environ.get("QDRANT_API_KEY", "")
    wipe(url, key)
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("SCENESEARCH_", "QDRANT_"))}
    environment = kept | {
        "SCENESEARCH_CONFIG": "offline",
        "SCENESEARCH_CACHE_DIR": str(tmp_path / "cache"),
        "SCENESEARCH_QDRANT_API_KEY": key,
        "SCENESEARCH_SERVICE__READ_KEYS": json.dumps(["r" * 20]),
    }

    def tag(out, scenes, *more):
        done = subprocess.run(
            [
                *(sys.executable, "-m", "scenesearch", "tag", str(rooms), "--out", str(out)),
                *("--scenes", str(scenes), *more),
            ],
            capture_output=True,
            text=True,
            env=environment,
            cwd=tmp_path,
            timeout=240,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    try:
        tag(out, url, "--runner", "ray", "--ray-address", "local")
        tag(tmp_path / "local.jsonl", store)
        settings = load_settings(qdrant_api_key=key or None)
        found, wanted = (contents(build_store(settings, where, "scenes")) for where in (url, store))
    finally:
        wipe(url, key)

    assert out.read_bytes() == (tmp_path / "local.jsonl").read_bytes()
    assert found.keys() == wanted.keys()
    for point, (payload, vectors) in wanted.items():
        assert found[point][0] == payload
        for space, vector in vectors.items():
            np.testing.assert_allclose(found[point][1][space], vector, atol=1e-5)


def wipe(url, key):
    for collection in ("scenes", "scenes--meta"):
        request = urllib.request.Request(
            f"{url}/collections/{collection}", method="DELETE", headers={"api-key": key}
        )
        urllib.request.urlopen(request, timeout=60).close()
