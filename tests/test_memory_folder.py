"""Runs leave nothing in memory."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import memory_folder
import pytest
from sparse import copy_tree

linux = pytest.mark.skipif(sys.platform != "linux", reason="folders are in memory there only")
RUN = """
import sys
from pathlib import Path
import memory_folder
memory_folder.MEMORY = Path(sys.argv[1])
memory_folder.FREE_THERE = memory_folder.FREE_MEMORY = 0
found = memory_folder.memory_folder()
found.path.mkdir()
print("up", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(memory_folder, "MEMORY", tmp_path)
    monkeypatch.setattr(memory_folder, "FREE_THERE", 0)
    monkeypatch.setattr(memory_folder, "FREE_MEMORY", 0)
    return tmp_path


@linux
def test_a_run_on_a_machine_without_room_is_on_the_disk(room, monkeypatch) -> None:
    monkeypatch.setattr(memory_folder, "FREE_THERE", 1 << 60)

    assert memory_folder.memory_folder() is None
    assert list(room.iterdir()) == []


@linux
def test_what_another_run_uses_stays_until_it_has_ended(room) -> None:
    first = memory_folder.memory_folder()
    assert first is not None
    first.path.mkdir()
    second = memory_folder.memory_folder()
    assert second is not None

    assert first.path.is_dir()
    for folder in (first, second):
        folder.remove()
    assert list(room.iterdir()) == []


@linux
@pytest.mark.process
def test_what_a_killed_run_left_is_removed_by_the_next(room) -> None:
    code = f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r})\n{RUN}"
    with subprocess.Popen(
        [sys.executable, "-c", code, str(room)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"up\n"
        left = list(room.iterdir())
        other.kill()

    found = memory_folder.memory_folder()

    assert found is not None
    assert len(left) == 1
    assert not left[0].exists()
    found.remove()


def test_a_copy_has_every_byte_and_no_zeros(tmp_path: Path) -> None:
    whole = b"a" + bytes(5_000_000) + b"z" + bytes(3_000_000)
    source = tmp_path / "source" / "deep"
    source.mkdir(parents=True)
    (source / "log").write_bytes(whole)
    (source / "link").symlink_to("log")

    copy = copy_tree(tmp_path / "source", tmp_path / "copy") / "deep"

    assert (copy / "log").read_bytes() == whole
    assert (copy / "link").readlink() == Path("log")
    if sys.platform == "linux":
        assert (copy / "log").stat().st_blocks * 512 < 1_500_000
