"""A disk that fills up under the files that the engine maps: an error, and no death by signal.

The disk is a tmpfs in a namespace of its own, which needs no rights where the system allows it.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
import shop
from store_contract.contract_data import SCHEMA, make_points

from scenesearch import wiring
from scenesearch.config.settings import Settings
from scenesearch.core.errors import NoSpaceError, StoreBrokeError, StoreUnavailableError
from scenesearch.store.embedded.edge import EdgeStore
from scenesearch.store.process.store import ProcessStore
from scenesearch.system import disk
from scenesearch.system.lock_file import DirectoryLock

NAMESPACE = ("unshare", "-Urm")
SCRIPT = """
set -e
mount -t tmpfs -o size=$1 tmpfs $2
shift 2
set +e
"$PYTHON" -P -m scenesearch index "$1" --store disk/store >index.out 2>index.err
echo index $?
cat /dev/zero >disk/filler 2>/dev/null
"$PYTHON" -P -m scenesearch items count --store disk/store >count.out 2>count.err
echo count $?
rm disk/filler
mount -o remount,size=500m disk
"$PYTHON" -P -m scenesearch index "$1" --store disk/store >again.out 2>again.err
echo again $?
"$PYTHON" -P -m scenesearch verify disk/store --deep
echo verify $?
"""


def has_namespaces() -> bool:
    try:
        return (
            subprocess.run([*NAMESPACE, "true"], check=False, capture_output=True).returncode == 0
        )
    except FileNotFoundError:
        return False


@pytest.mark.process
@pytest.mark.skipif(sys.platform != "linux", reason="mounts a tmpfs")
@pytest.mark.parametrize(("size", "index"), [("4m", 6), ("200m", 0)])
def test_a_full_disk_is_exit_code_6_for_who_writes_and_who_reads(tmp_path, size, index):
    if not has_namespaces():
        pytest.skip("no namespaces here")
    shop.colour_shop(tmp_path / "photos")
    (tmp_path / "disk").mkdir()
    environment = {
        "PYTHON": sys.executable,
        "SCENESEARCH_MIN_FREE_MEGABYTES": "0",
        "SCENESEARCH_CONFIG": "offline",
    }
    done = subprocess.run(
        [*NAMESPACE, "bash", "-c", SCRIPT, "bash", size, "disk", str(tmp_path / "photos")],
        cwd=tmp_path,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    lines = [line.split() for line in done.stdout.splitlines()]
    codes = {line[0]: int(line[1]) for line in lines if line[-1].isdigit() and len(line) == 2}

    assert codes["index"] == index, (tmp_path / "index.err").read_text()
    assert codes["count"] in (0, 5, 6), (tmp_path / "count.err").read_text()
    assert codes["again"] == 0, (tmp_path / "again.err").read_text()
    assert codes["verify"] == 0, done.stdout
    for name in ("index.err", "count.err"):
        assert "Traceback" not in (tmp_path / name).read_text()


class Ends:
    """A store whose process ends as the engine does that finds no room under a mapped file."""

    schema = None

    def count(self, where=None):
        os.kill(os.getpid(), signal.SIGBUS)


@pytest.mark.process
@pytest.mark.parametrize("free", [0, 10**12])
def test_a_process_that_ends_by_sigbus_met_a_full_disk_where_there_is_one(
    tmp_path, monkeypatch, free
):
    monkeypatch.setattr("scenesearch.store.process.store.free_bytes", lambda _: free)
    store = ProcessStore(Ends, folder=tmp_path)
    try:
        with pytest.raises(StoreBrokeError if free else NoSpaceError):
            store.count()
    finally:
        store.close()


def test_a_disk_is_cramped_by_its_room_or_without_a_guard(tmp_path, monkeypatch):
    monkeypatch.setattr(disk, "free_bytes", lambda _: 10 * disk.MIN_FREE_BYTES)
    assert not disk.is_cramped(tmp_path, disk.MIN_FREE_BYTES)
    assert disk.is_cramped(tmp_path, 0)
    monkeypatch.setattr(disk, "free_bytes", lambda _: 2 * disk.MIN_FREE_BYTES)
    assert disk.is_cramped(tmp_path, disk.MIN_FREE_BYTES)


@pytest.mark.parametrize(
    ("error", "full"),
    [
        (OSError(28, "No space left on device"), True),
        (OSError(5, "Input/output error"), False),
        (Exception("service: IO Error: No space left on device (os error 28)"), True),
        (ValueError("28"), False),
    ],
)
def test_an_error_that_means_a_full_disk(error, full):
    assert disk.is_full(error) is full


def test_what_the_engine_says_of_a_full_disk_is_no_damage(tmp_path):
    from scenesearch.store.embedded.edge_translate import engine_errors

    with pytest.raises(NoSpaceError, match="disk is full"), engine_errors(f"write {Path()}"):
        raise Exception("IO Error: No space left on device (os error 28)")  # noqa: TRY002


def full(*_):
    raise OSError(28, "No space left on device")


def test_a_lock_holds_on_a_full_disk_although_nobody_can_be_named(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "write", full)
    lock = DirectoryLock(tmp_path / "a.lock", "the index")
    monkeypatch.undo()

    with pytest.raises(StoreUnavailableError, match="unknown"):
        DirectoryLock(tmp_path / "a.lock", "the index")
    lock.release()


def test_a_lock_that_cannot_be_made_on_a_full_disk_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "open", full)

    with pytest.raises(NoSpaceError, match="the disk is full"):
        DirectoryLock(tmp_path / "a.lock", "the index")


def test_a_collection_that_is_closed_on_a_full_disk_is_whole(tmp_path, monkeypatch):
    store = EdgeStore(tmp_path, "items", min_free_bytes=0)
    store.create(SCHEMA)
    store.upsert(make_points(20))
    count = store.count()
    monkeypatch.setattr("scenesearch.store.embedded.edge_directory.write_whole", full)
    store.close()
    monkeypatch.undo()

    with closing(EdgeStore(tmp_path, "items", min_free_bytes=0)) as again:
        assert again.recorded_census() is None
        assert again.count() == count


@pytest.mark.process
def test_codes_are_changed_in_a_process_where_there_is_no_guard(tmp_path):
    settings = Settings(min_free_megabytes=0)
    with closing(EdgeStore(tmp_path, "items", min_free_bytes=0)) as store:
        store.create(SCHEMA)
        store.upsert(make_points(20))
    assert wiring.is_cramped(settings, tmp_path)

    wiring.quantize(settings, tmp_path, "items", "int8", on_disk=True)

    with closing(EdgeStore(tmp_path, "items", min_free_bytes=0)) as again:
        assert again.schema.quantization == "int8"
        assert again.schema.on_disk is True
        assert again.count() == 20
