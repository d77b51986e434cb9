"""Photos from folders, globs, lists, standard input and object storage."""

from __future__ import annotations

import io
import json
import os
import sys
import threading
from pathlib import Path
from typing import ClassVar

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from scenesearch.core.errors import CatalogError, ImageError, MissingDependencyError
from scenesearch.fetch.object_storage import read_remote
from scenesearch.tagging.sources import Identity, identify, list_sources


@pytest.fixture
def tree(tmp_path):
    for name in (
        *("b.jpg", "a.png", "notes.txt.bak", ".hidden.jpg", "sub/c.JPG", "sub/deep/d.webp"),
        *("sub/readme.md", ".git/e.jpg", "other/f.gif", "other/data.bin"),
    ):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())
    return tmp_path


def below(folder, *arguments, **options):
    """Names of the sources, from the folder on."""
    return [
        os.path.relpath(source.name, folder) if source.error is None else source.error[0]
        for source in list_sources(arguments, **options)
    ]


def test_a_folder_gives_its_photos_at_any_depth_sorted(tree):
    assert below(tree, tree) == ["a.png", "b.jpg", "other/f.gif", "sub/c.JPG", "sub/deep/d.webp"]


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("*.jpg", ["b.jpg"]),
        ("*", ["a.png", "b.jpg", "other/f.gif", "sub/c.JPG", "sub/deep/d.webp"]),
        ("**/*.jpg", ["b.jpg"]),
        ("**/*.[Jj][Pp][Gg]", ["b.jpg", "sub/c.JPG"]),
        ("**", ["a.png", "b.jpg", "other/f.gif", "sub/c.JPG", "sub/deep/d.webp"]),
        ("sub/**/*.webp", ["sub/deep/d.webp"]),
        ("sub/*/d.*", ["sub/deep/d.webp"]),
        ("*/[cf]*", ["other/f.gif", "sub/c.JPG"]),
        ("**/**/d.webp", ["sub/deep/d.webp"]),
        ("other/*.bin", ["other/data.bin"]),
        (".hid*", [".hidden.jpg"]),
        ("s?b", ["sub/c.JPG", "sub/deep/d.webp"]),
    ],
)
def test_a_glob_names_what_it_says(tree, pattern, found):
    assert below(tree, tree / pattern) == found


def test_a_relative_glob_starts_in_the_working_directory(tree, monkeypatch):
    monkeypatch.chdir(tree)

    assert [s.name for s in list_sources(["sub/**/*.webp"])] == ["sub/deep/d.webp"]


def test_a_file_whose_name_looks_like_a_glob_is_that_file(tmp_path):
    (tmp_path / "a[1].jpg").write_bytes(b"x")
    (tmp_path / "a1.jpg").write_bytes(b"x")

    assert below(tmp_path, tmp_path / "a[1].jpg") == ["a[1].jpg"]


def test_a_photo_named_in_several_ways_comes_once(tree, monkeypatch):
    monkeypatch.chdir(tree)

    names = [s.name for s in list_sources(["b.jpg", "./b.jpg", str(tree / "b.jpg"), "*.jpg", "."])]

    assert names.count("b.jpg") == 1
    assert names == ["b.jpg", "./a.png", "./other/f.gif", "./sub/c.JPG", "./sub/deep/d.webp"]


def write(path, rows):
    if path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
    elif path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    else:
        columns = list(rows[0])
        lines = [columns, *([str(row[c] or "") for c in columns] for row in rows)]
        path.write_text("".join(",".join(line) + "\n" for line in lines))
    return path


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_a_manifest_names_photos_from_its_folder_on_and_a_bad_row_is_one_error(tree, suffix):
    rows = [
        {"title": "one", "image": "b.jpg"},
        {"title": "two", "image": None},
        {"title": "three", "image": "sub/c.JPG"},
        {"title": "four", "image": str(tree / "a.png")},
        {"title": "five", "image": "s3://bucket/key.jpg"},
    ]
    manifest = write(tree / f"m{suffix}", rows)

    sources = list(list_sources([manifest]))

    assert [s.path for s in sources if s.error is None] == [
        *(str(tree / "b.jpg"), str(tree / "sub/c.JPG"), str(tree / "a.png")),
        "s3://bucket/key.jpg",
    ]
    assert [s.remote for s in sources if s.error is None] == [False, False, False, True]
    (bad,) = [s for s in sources if s.error is not None]
    assert bad.name.startswith(f"{manifest}:")
    assert bad.error[0] == "missing_image"


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_another_column_can_hold_the_photos(tree, suffix):
    manifest = write(tree / f"m{suffix}", [{"image": "a.png", "Front view": "b.jpg"}])

    assert below(tree, manifest, image_column="Front view") == ["b.jpg"]


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_a_manifest_without_photos_says_what_it_has(tree, suffix):
    manifest = write(tree / f"m{suffix}", [{"title": "one", "price": "2"}])

    with pytest.raises(CatalogError, match=r"found title, price.*--image-column"):
        list_sources([manifest])


def test_a_text_file_names_a_photo_a_line(tree):
    (tree / "list.txt").write_bytes(b"b.jpg\r\n\n sub/c.JPG\nlast.png")

    assert below(tree, tree / "list.txt") == ["b.jpg", " sub/c.JPG", "last.png"]


def test_a_line_without_end_is_one_error_and_the_next_is_read(tree):
    stream = io.BytesIO(b"a.png\n" + b"x" * 1_000_000 + b"\nb.jpg\n")

    found = [s.error[0] if s.error else s.name for s in list_sources(["-"], stdin=stream)]

    assert found == ["a.png", "bad_path", "b.jpg"]


def test_paths_on_standard_input_come_as_they_are_written():
    read, write_end = os.pipe()
    with open(read, "rb", buffering=0) as stream:  # noqa: PTH123 - a pipe
        sources = list_sources(["-"], stdin=stream)
        os.write(write_end, b"one.jpg\ntwo.j")
        assert next(sources).name == "one.jpg"
        threading.Timer(0.05, lambda: (os.write(write_end, b"pg\n"), os.close(write_end))).start()
        assert [s.name for s in sources] == ["two.jpg"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "nothing to tag"),
        (["nowhere"], "there is no 'nowhere'"),
        (["*.jpg"], "names no photo"),
        (["."], "names no photo"),
        (["list.txt"], "names no photo"),
        (["memory://nowhere/at/all"], "nothing at memory://"),
        (["nosuch://bucket/key"], "fsspec cannot open nosuch://"),
    ],
    ids=str,
)
def test_an_argument_that_names_nothing_is_an_error_before_any_work(
    tmp_path, monkeypatch, arguments, said
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "list.txt").write_text("\n")

    with pytest.raises(CatalogError, match=said):
        list_sources(arguments)


def test_standard_input_without_a_line_is_an_error_too():
    with pytest.raises(CatalogError, match="standard input names no photo"):
        list(list_sources(["-"], stdin=io.BytesIO(b"\n")))


@pytest.mark.skipif(sys.platform != "linux", reason="needs file names of any bytes")
def test_a_name_that_is_no_text_can_still_be_read(tmp_path):
    (tmp_path / os.fsdecode(b"caf\xe9.jpg")).write_bytes(b"x")

    (source,) = list_sources([tmp_path])

    assert source.name.endswith("caf\\xe9.jpg")
    assert Path(source.path).read_bytes() == b"x"
    assert identify(source).size == 1


def test_what_identifies_a_file_is_its_size_and_time_of_change(tree):
    os.utime(tree / "b.jpg", ns=(1, 123_456_789))

    (source,) = list_sources([tree / "b.jpg"])

    assert identify(source) == Identity(5, "123456789")


# object storage


@pytest.fixture(params=["memory", "file"])
def bucket(request, tree):
    """The tree in object storage: an address."""
    if request.param == "file":
        yield f"file://{tree}"
        return
    import fsspec

    memory = fsspec.filesystem("memory")
    root = f"/{tree.name}"
    for path in tree.rglob("*"):
        if path.is_file():
            memory.pipe(f"{root}/{path.relative_to(tree)}", path.read_bytes())
    yield f"memory:/{root}"
    memory.rm(root, recursive=True)


def ends(sources, bucket):
    return [source.name.partition(bucket.rpartition("/")[2] + "/")[2] for source in sources]


def test_a_folder_in_object_storage_gives_its_photos(bucket):
    sources = list(list_sources([bucket]))

    assert sorted(ends(sources, bucket)) == [
        *("a.png", "b.jpg", "other/f.gif", "sub/c.JPG", "sub/deep/d.webp"),
    ]
    assert all(source.remote and "://" in source.name for source in sources)
    assert all(source.identity is not None for source in sources)


def test_a_glob_in_object_storage_gives_what_it_names(bucket):
    assert ends(list_sources([f"{bucket}/**/*.JPG"]), bucket) == ["sub/c.JPG"]


@pytest.fixture
def odd():
    """Object storage with names that a disk hardly has."""
    import fsspec

    memory = fsspec.filesystem("memory")
    for name in (
        *("p/a.jpg", "p/a[1].jpg", "p/star*.jpg", "p//b.jpg", "p//c/d.jpg", "p/.h.jpg", "p/n.txt"),
        *("p/.x/y.jpg", "p/@eaDir/e.jpg", "p/sub/s.jpg", "p/sub/t.txt", "p/x.dat"),
    ):
        memory.pipe(f"/odd/{name}", name.encode())
    yield "memory://odd"
    memory.rm("/odd", recursive=True)


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("p", ["a.jpg", "a[1].jpg", "star*.jpg", "/b.jpg", "/c/d.jpg", "sub/s.jpg"]),
        ("p/a[1].jpg", ["a[1].jpg"]),
        ("p/star*.jpg", ["star*.jpg"]),
        ("p/*", ["a.jpg", "a[1].jpg", "star*.jpg", "sub/s.jpg"]),
        ("p/*.jpg", ["a.jpg", "a[1].jpg", "star*.jpg"]),
        ("p/*.dat", ["x.dat"]),
        ("p/.*", [".h.jpg", ".x/y.jpg"]),
        ("p/[a].jpg", ["a.jpg"]),
    ],
)
def test_object_storage_is_listed_as_folders_are(pattern, found, odd):
    sources = list(list_sources([f"{odd}/{pattern}"]))
    names = [source.name.removeprefix("memory:").lstrip("/") for source in sources]

    assert sorted(names) == sorted(f"odd/p/{name}" for name in found)
    for name, source in zip(names, sources, strict=True):
        data, _ = read_remote(source.path, max_bytes=100, timeout_s=5)
        assert data.decode() == name.removeprefix("odd/")


def test_a_second_listing_sees_what_changed_since(tmp_path):
    import fsspec
    from fsspec.implementations.memory import MemoryFileSystem

    class Remembering(MemoryFileSystem):
        """Keeps its listings, as those of s3:// and gs:// do."""

        protocol = "remembering"
        store: ClassVar[dict] = {}
        pseudo_dirs: ClassVar[list] = [""]

        @classmethod
        def _strip_protocol(cls, path):
            return super()._strip_protocol(path.removeprefix("remembering:/"))

        def ls(self, path, detail=True, **kwargs):
            path = self._strip_protocol(path)
            if path not in self.dircache:
                self.dircache[path] = super().ls(path, detail=True, **kwargs)
            found = self.dircache[path] if path in self.dircache else super().ls(path, detail=True)
            return found if detail else [one["name"] for one in found]

    fsspec.register_implementation("remembering", Remembering, clobber=True)
    written = Remembering()
    written.pipe("/b/1.jpg", b"one")
    written.pipe("/b/2.jpg", b"two")
    assert len(written.ls("/b")) == 2
    first = list(list_sources(["remembering://b"]))
    written.pipe("/b/3.jpg", b"three")
    written.rm_file("/b/2.jpg")
    second = list(list_sources(["remembering://b"]))

    assert [source.name[-5:] for source in first] == ["1.jpg", "2.jpg"]
    assert [source.name[-5:] for source in second] == ["1.jpg", "3.jpg"]


def test_one_photo_in_object_storage_is_read_within_the_limits(bucket):
    (source,) = list_sources([f"{bucket}/sub/c.JPG"])

    data, stamp = read_remote(source.path, max_bytes=100, timeout_s=5)
    short, _ = read_remote(source.path, max_bytes=3, timeout_s=5)

    assert (data, stamp) == (b"sub/c.JPG", source.identity)
    assert short == b"sub/"  # one more than allowed, so that it is refused


def test_a_photo_that_is_not_in_object_storage_is_an_error_of_that_photo(bucket):
    with pytest.raises(ImageError, match="no such file") as caught:
        read_remote(f"{bucket}/nowhere.jpg", max_bytes=100, timeout_s=5)

    assert caught.value.code == "not_found"


def test_a_store_that_needs_a_further_package_names_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "s3fs", None)

    with pytest.raises(MissingDependencyError, match="pip install s3fs"):
        list_sources(["s3://bucket/photos"])
