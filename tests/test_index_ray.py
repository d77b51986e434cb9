"""Indexing on a Ray cluster: the collection of a local run, whatever happens to the workers."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from contextlib import closing, suppress
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest
import ray_index_child as child
import shop
from fakes.models import FakeEmbedder

import scenesearch
from scenesearch.config.settings import load_settings
from scenesearch.core.errors import ConfigError
from scenesearch.images import load_scene
from scenesearch.index.photo_embedding import PhotoEmbedder, Wanted
from scenesearch.index.plan import PhotoRef
from scenesearch.index.ray_run import IndexNode, Sent, count_workers
from scenesearch.models.embed.cache import EmbeddingCache
from scenesearch.store.embedded.edge import EdgeStore
from scenesearch.system.ray_cluster import RayOptions, Room
from scenesearch.wiring import build_store

CHILD = Path(__file__).with_name("ray_index_child.py")
KILLER = 77
"""Width of the photo that ends a worker."""


@pytest.mark.parametrize(
    ("room", "options", "count"),
    [
        (Room(2, 0), {}, 2),
        (Room(64, 0), {"cpus_per_worker": 3}, 21),
        (Room(16, 2), {"gpus": True}, 2),
        (Room(2, 8), {"gpus": True}, 2),
    ],
    ids=["one a core", "one for three cores", "one a GPU", "more GPUs than cores"],
)
def test_workers_fill_a_cluster(room, options, count):
    assert count_workers(room, RayOptions(**options)) == count


@pytest.mark.parametrize(
    ("room", "options"),
    [(Room(0, 0), {}), (Room(2, 0), {"cpus_per_worker": 3}), (Room(8, 0), {"gpus": True})],
    ids=str,
)
def test_a_cluster_without_room_is_refused_rather_than_waited_for(room, options):
    with pytest.raises(ConfigError, match="a worker needs"):
        count_workers(room, RayOptions(**options))


def node(read=lambda photo, name: load_scene(photo, name=name)):
    sent = Sent(read)
    embedder = PhotoEmbedder(
        shop.make_encoder(FakeEmbedder(child.DIM)), sent.load, None, child.OPTIONS
    )
    return IndexNode(embedder, sent, lambda paths: map(sent.load, paths), child._no_store, list)


def test_a_node_reads_photos_where_they_lie_but_for_those_that_come_with_the_call(tmp_path):
    here = shop.save(shop.product("red"), tmp_path / "here.png")
    away = shop.png(shop.product("blue"))
    shas = [shop.photo_hash(here), load_scene(away).sha256]
    wanted = [
        Wanted(PhotoRef(path, sha256, 0), "1")
        for path, sha256 in zip((here, "/away.png"), shas, strict=True)
    ]
    one = node()

    (done,), seconds = one.embed(wanted, {"/away.png": away})
    (again,), _ = one.embed(wanted, {})

    assert done.entries.keys() == set(shas)
    assert {"prepare", "embed"} <= seconds.keys()
    # what came with a call is gone with it
    assert again.entries.keys() == {shas[0]}
    assert "/away.png" in again.failures[0].reason


# from here on a real Ray of two CPUs, in a process of its own


def command(photos, store, **asked):
    asked = {"photos": str(photos), "store": str(store), **asked}
    return [sys.executable, str(CHILD), json.dumps(asked)]


def on_ray(photos, store, **asked):
    """Report, or class, code and text of the error."""
    pytest.importorskip("ray")
    done = subprocess.run(
        command(photos, store, **asked), capture_output=True, text=True, timeout=200
    )
    assert done.stdout, done.stderr
    said = json.loads(done.stdout.splitlines()[-1])
    return said.get("error") or SimpleNamespace(**said)


def stored(folder):
    """Everything in a store and its cache, without the times of writing."""
    with closing(EdgeStore(folder, "items", min_free_bytes=0)) as store:
        points = shop.contents(store)
        learned = {name: store.read_blob(name) for name in sorted(store.schema.blobs)}
    key = PhotoEmbedder(
        shop.make_encoder(FakeEmbedder(child.DIM)), load_scene, None, child.OPTIONS
    ).key
    photos = [payload["photo_sha256"] for payload, _ in points.values()]
    with closing(EmbeddingCache(folder / "embeddings.sqlite")) as cache:
        return points, learned, sorted(cache.known(photos, key))


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """60 photos, of which two are broken and two are one."""
    folder = tmp_path_factory.mktemp("ray") / "photos"
    for n in range(58):
        shop.save(shop.noise(n), folder / f"{n:02}.png")
    (folder / "07.png").write_bytes(b"")
    (folder / "31.png").write_text("no photo")
    shutil.copy(folder / "03.png", folder / "58.png")
    shop.save(shop.noise(59, side=KILLER), folder / "59.png")
    return folder


@pytest.fixture(scope="module")
def expected(photos, tmp_path_factory):
    """Report and contents of a local run."""
    store = tmp_path_factory.mktemp("local") / "store"
    report = child.indexed({"photos": photos, "store": store}, None)
    return report, stored(store)


@pytest.mark.e2e
def test_the_collection_is_that_of_a_local_run_and_so_is_the_report(photos, expected, tmp_path):
    store = tmp_path / "store"

    report = on_ray(photos, store)
    found = stored(store)

    local, wanted = expected
    assert found == wanted
    assert (report.added, report.embedded) == (local.added, local.embedded) == (58, 57)
    assert [one["photo"] for one in report.failures] == [one.photo for one in local.failures]
    assert len(report.failures) == 2
    assert {"start", "wait", "prepare", "embed", "store"} <= report.seconds.keys()


@pytest.mark.e2e
def test_a_worker_that_dies_once_costs_nothing(photos, expected, tmp_path):
    (tmp_path / "die").touch()

    report = on_ray(photos, tmp_path / "store", die=str(tmp_path))

    assert not (tmp_path / "die").exists()
    assert stored(tmp_path / "store") == expected[1]
    assert len(report.failures) == 2


@pytest.mark.e2e
def test_a_photo_that_ends_its_worker_costs_that_photo(photos, expected, tmp_path):
    report = on_ray(photos, tmp_path / "store", kill=KILLER)

    points, _, _ = stored(tmp_path / "store")
    lost = {payload["item_id"] for payload, _ in expected[1][0].values()} - {
        payload["item_id"] for payload, _ in points.values()
    }
    assert lost == {"59"}
    assert "the workers that embedded it died" in report.failures[-1]["reason"]
    assert len(report.failures) == 3


def alive(processes):
    """Names of those that run, but for two agents of Ray's own, which look once a minute."""
    names = []
    for one in processes:
        try:
            if one.status() != psutil.STATUS_ZOMBIE and not one.name().endswith("Agent"):
                names.append(one.name())
        except psutil.NoSuchProcess:
            continue
    return names


def listening(processes):
    """The addresses on which any of them listens."""
    found = set()
    for one in processes:
        with suppress(psutil.Error):
            sockets = one.net_connections("inet")
            found |= {c.laddr.ip for c in sockets if c.status == psutil.CONN_LISTEN}
    return {ip.removeprefix("::ffff:") for ip in found}


@pytest.mark.e2e
@pytest.mark.parametrize("runner", ["ray", "local"])
def test_after_a_kill_the_next_run_does_what_is_missing(photos, expected, tmp_path, runner):
    pytest.importorskip("ray")
    store = tmp_path / "store"
    process = subprocess.Popen(
        command(photos, store, late=0.02),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout.readline().startswith("embed")
    left = psutil.Process(process.pid).children(recursive=True)
    heard = listening([psutil.Process(process.pid), *left])
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=60)
    end = time.monotonic() + 30
    while alive(left) and time.monotonic() < end:
        time.sleep(0.2)

    assert heard == {"127.0.0.1"}
    assert alive(left) == []
    if runner == "ray":
        report = on_ray(photos, store)
    else:
        report = child.indexed({"photos": photos, "store": store}, None)

    assert 0 < report.from_cache < 57
    assert report.embedded == 57 - report.from_cache
    assert stored(store) == expected[1]


@pytest.mark.e2e
@pytest.mark.parametrize(
    ("wrong", "kind", "code", "said"),
    [
        ({"fails": True}, "ModelLoadError", "model_load_failed", "broken on purpose"),
        ({"other": True}, "ModelError", "other_models", "give all nodes the same weights"),
        ({"cores": 3}, "ConfigError", "ray_too_small", "a worker needs 3 CPUs"),
    ],
    ids=["weights are broken", "nodes have other models", "there are too few cores"],
)
def test_what_ends_a_run_says_so_once(photos, tmp_path, wrong, kind, code, said):
    error = on_ray(photos, tmp_path / "store", **wrong)

    assert error[:2] == [kind, code]
    assert said in error[2]


# the commands, over an embedded store and over a server


@pytest.fixture
def sample(tmp_path):
    """The package's own products, and more, in a folder; the catalogue is ``catalog.csv``."""
    folder = tmp_path / "sample"
    shutil.copytree(Path(scenesearch.__file__).parent / "_data" / "sample", folder)
    catalog = folder / "catalog.csv"
    head = catalog.read_text(encoding="utf-8").splitlines()[0].split(",")
    with catalog.open("a", encoding="utf-8") as file:
        for n in range(100):
            shop.save(shop.noise(n), folder / "products" / f"{n:03}.png")
            cells = {"id": f"p{n:03}", "image": f"products/{n:03}.png", "title": f"Pattern {n}"}
            file.write(",".join(cells.get(name, "") for name in head) + "\n")
    (folder / "products" / "008.png").write_text("no photo")
    return catalog


@pytest.fixture
def run(tmp_path):
    """Runs a command on a catalogue and a store; gives what it says as data."""
    pytest.importorskip("ray")
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("SCENESEARCH_", "QDRANT_"))}
    environment = kept | {
        "SCENESEARCH_CONFIG": "offline",
        "SCENESEARCH_QDRANT_API_KEY": os.environ.get("QDRANT_API_KEY", ""),
        "SCENESEARCH_SERVICE__READ_KEYS": json.dumps(["r" * 20]),
    }

    def run(command, catalog, store, *more):
        folder = "of-ray" if "ray" in more else "of-local"
        done = subprocess.run(
            [
                *(sys.executable, "-m", "scenesearch", command, str(catalog)),
                *("--store", str(store), "--json", *more),
            ],
            capture_output=True,
            text=True,
            env=environment | {"SCENESEARCH_CACHE_DIR": str(tmp_path / folder)},
            cwd=tmp_path,
            timeout=240,
        )
        assert done.returncode in (0, 3), done.stderr
        return json.loads(done.stdout)

    return run


ON_RAY = ("--runner", "ray", "--ray-address", "local")


def like_local(run, catalog, store, tmp_path):
    """Index and sync on a cluster and locally; the same is said, and the same is stored."""
    local = tmp_path / "local"
    changing = (
        lambda text: text.replace("Pattern 11", "Another 11").replace(
            "products/012", "products/013"
        ),
        lambda text: "".join(text.splitlines(keepends=True)[:-5]),
    )
    for command, change in (("index", str), ("sync", changing[0]), ("sync", changing[1])):
        catalog.write_text(change(catalog.read_text(encoding="utf-8")), encoding="utf-8")
        ours = run(command, catalog, store, *ON_RAY)
        theirs = run(command, catalog, local)
        said = [
            {k: v for k, v in one.items() if not k.startswith("seconds")} for one in (ours, theirs)
        ]

        assert said[0] == said[1]
        assert len(ours["failures"]) == 1
        assert same(store, local)


def same(store, local):
    """Whether two collections hold the same, bit for bit where one is as the other."""
    key = os.environ.get("QDRANT_API_KEY") or None
    found = []
    for where in (store, local):
        with closing(build_store(load_settings(qdrant_api_key=key), where, "items")) as opened:
            learned = {name: opened.read_blob(name) for name in sorted(opened.schema.blobs)}
            found.append((shop.contents(opened), learned, opened.schema.metadata))
    return found[0] == found[1]


@pytest.mark.e2e
def test_index_and_sync_on_a_cluster_are_those_of_this_machine(run, sample, tmp_path):
    like_local(run, sample, tmp_path / "store", tmp_path)


@pytest.mark.e2e
def test_where_nothing_is_to_be_done_no_cluster_is_started(run, sample, tmp_path):
    (sample.parent / "products" / "008.png").write_bytes(shop.png(shop.noise(8)))
    run("index", sample, tmp_path / "store")

    again = run("index", sample, tmp_path / "store", *ON_RAY)
    planned = run("sync", sample, tmp_path / "new", *ON_RAY, "--dry-run", "--no-audit")

    assert (again["added"], again["unchanged"]) == (0, len(planned["insert"]))
    assert "start" not in again["seconds_by_stage"]
    assert planned["dry_run"]


@pytest.mark.e2e
def test_syncs_on_a_cluster_go_on_until_they_are_told_to_stop(sample, tmp_path):
    pytest.importorskip("ray")
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "scenesearch", "sync", str(sample), "--config", "offline"),
            *("--store", str(tmp_path / "store"), "--every", "1h", "--json", *ON_RAY),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "SCENESEARCH_CACHE_DIR": str(tmp_path / "cache")},
    )

    first = json.loads(process.stdout.readline())
    process.terminate()
    _, errors = process.communicate(timeout=60)

    assert first["photos_embedded"] == 279
    assert process.returncode == 0, errors


@pytest.mark.store
@pytest.mark.skipif("QDRANT_URL" not in os.environ, reason="QDRANT_URL names no Qdrant server")
def test_workers_write_into_a_server_what_a_local_run_writes(run, sample, tmp_path):
    url, key = os.environ["QDRANT_URL"], os.environ.get("QDRANT_API_KEY", "")
    wipe(url, key)
    try:
        like_local(run, sample, url, tmp_path)
    finally:
        wipe(url, key)


def wipe(url, key):
    for collection in ("items", "items--meta"):
        request = urllib.request.Request(
            f"{url}/collections/{collection}", method="DELETE", headers={"api-key": key}
        )
        urllib.request.urlopen(request, timeout=60).close()
