"""Photos of a catalogue in object storage: read by who indexes them, and not kept."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import closing

import pytest
import shop
from bucket_server import bucket_server

from scenesearch import SceneSearch
from scenesearch.catalog import FeedOptions, read_catalog
from scenesearch.config.settings import load_settings
from scenesearch.core.errors import ConfigError
from scenesearch.engine.media import photo_reader
from scenesearch.wiring import build_store

BUCKET = "s3://photos/shop"


def catalog(tmp_path, *photos):
    path = tmp_path / "catalog.csv"
    rows = "".join(f'{n:03},"{photo}",Thing {n}\n' for n, photo in enumerate(photos))
    path.write_text(f"id,image,title\n{rows}", encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("photo", "said"),
    [
        ("s3://photos-of-others/1.jpg", "name its bucket in the settings"),
        ("s3://photos/1.jpg", "name its bucket in the settings"),
        (f"{BUCKET}/../1.jpg", "name its bucket in the settings"),
        ("file:///etc/1.jpg", "has a drive or a scheme"),
    ],
    ids=["another bucket", "beside the folder", "out of the folder", "a file"],
)
def test_only_buckets_that_the_settings_name_are_read(tmp_path, photo, said):
    found = read_catalog(
        catalog(tmp_path, f"{BUCKET}/a b,c.jpg", photo), feed=FeedOptions(buckets=(BUCKET,))
    ).read_all()

    assert [item.photos for item in found.items] == [(f"{BUCKET}/a b,c.jpg",)]
    assert said in found.errors[0].message


@pytest.mark.parametrize(
    "bucket", ["photos", "https://photos", "file:///photos", "s3://", "s3:///"]
)
def test_what_is_no_bucket_is_refused(bucket):
    with pytest.raises(ConfigError, match="is no bucket"):
        load_settings("offline", fetch={"buckets": [bucket]})


# in this process, over the object storage that fsspec has in memory


@pytest.fixture
def bucket():
    """Photos by address; gone in the end."""
    fsspec = pytest.importorskip("fsspec")
    fs = fsspec.filesystem("memory")
    fs.pipe({f"/photos/{n}.png": shop.png(shop.noise(n)) for n in range(4)})
    yield fs
    fs.rm("/photos", recursive=True)


MEMORY = "memory://photos"


def test_what_is_new_or_changed_in_a_bucket_is_embedded(bucket, monkeypatch, tmp_path):
    shop.use_fakes(monkeypatch)
    path = catalog(tmp_path, *(f"{MEMORY}/{n}.png" for n in range(5)))
    settings = load_settings("offline", fetch={"buckets": [MEMORY]}, cache_dir=tmp_path)
    with SceneSearch(tmp_path / "store", config=settings) as opened:
        first = opened.index(path).report
        again = opened.index(path)
        bucket.pipe("/photos/2.png", shop.png(shop.noise(9)))
        bucket.pipe("/photos/4.png", shop.png(shop.noise(4)))
        changed = opened.sync(path)

    assert (first.added, first.embedded) == (4, 4)
    assert "there is no such file" in first.failures[0].reason
    assert (again.plan.unchanged, again.report.embedded) == (4, 0)
    assert (changed.plan.update, changed.plan.insert) == (("002",), ("004",))
    assert (changed.report.embedded, changed.report.failures) == (2, ())


def test_the_service_shows_photos_out_of_the_buckets_it_may_read(bucket):
    read = photo_reader(load_settings("offline", fetch={"buckets": [MEMORY]}))
    nowhere = photo_reader(load_settings("offline"))

    assert read(f"{MEMORY}/1.png") == shop.png(shop.noise(1))
    assert read(f"{MEMORY}/none.png") is None
    assert nowhere(f"{MEMORY}/1.png") is None


# as commands, over a server that speaks as S3 does


@pytest.fixture
def run(tmp_path):
    """Runs a command over object storage; gives what it says as data."""
    pytest.importorskip("s3fs")
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("SCENESEARCH_", "QDRANT_"))}

    def run(server, command, store, *more):
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "scenesearch", command, str(tmp_path / "catalog.csv")),
                *("--store", str(tmp_path / store), "--json", *more),
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=kept
            | server.environment
            | {
                "SCENESEARCH_CONFIG": "offline",
                "SCENESEARCH_CACHE_DIR": str(tmp_path / "cache"),
                "SCENESEARCH_FETCH__BUCKETS": json.dumps([BUCKET]),
            },
            cwd=tmp_path,
        )
        said, errors = process.communicate(timeout=240)
        assert "Traceback" not in errors
        assert process.returncode in (0, 3), errors
        return {"pid": process.pid, **json.loads(said)}

    return run


def stored(folder):
    settings = load_settings("offline")
    with closing(build_store(settings, folder, "items")) as store:
        return shop.contents(store)


ON_RAY = ("--runner", "ray", "--ray-address", "local")


@pytest.mark.e2e
@pytest.mark.parametrize("runner", ["local", "ray"])
def test_photos_in_a_bucket_are_indexed_where_they_lie(run, tmp_path, runner):
    if runner == "ray":
        pytest.importorskip("ray")
    more = ON_RAY if runner == "ray" else ()
    photos = [f"{BUCKET}/{n:02}.png" for n in range(20)]
    catalog(tmp_path, *photos, f"{BUCKET}/none.png")
    with bucket_server() as server:
        server.objects = {f"photos/shop/{n:02}.png": shop.png(shop.noise(n)) for n in range(20)}

        planned = run(server, "index", "store", "--dry-run", *more)
        asked = list(server.asked)
        first = run(server, "index", "store", *more)
        readers, server.readers = server.readers, set()
        again = run(server, "sync", "store", *more)
        unread = not server.readers
        server.objects["photos/shop/03.png"] = shop.png(shop.noise(99))
        changed = run(server, "sync", "store", *more)

    points = stored(tmp_path / "store")
    assert asked == []
    assert planned["photos_to_embed"] == 21
    assert (first["added"], first["photos_embedded"]) == (20, 20)
    assert "there is no such file" in first["failures"][0]["reason"]
    assert (again["unchanged"], again["photos_embedded"]) == (20, 0)
    # who asked again read nothing
    assert unread
    assert (changed["update"], changed["photos_embedded"]) == (["003"], 1)
    assert {payload["photo"] for payload, _ in points.values()} == set(photos)
    assert not list((tmp_path / "store").rglob("*.png"))
    assert (first["pid"] in readers) == (runner == "local")
    assert len(readers) == 1


@pytest.mark.e2e
def test_a_store_that_does_not_answer_costs_its_photos(run, tmp_path):
    catalog(tmp_path, f"{BUCKET}/1.png")
    with bucket_server() as server:
        pass

    done = run(server, "index", "store")

    assert done["added"] == 0
    assert "check the address and the credentials" in done["failures"][0]["reason"]
