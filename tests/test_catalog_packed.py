"""Catalogues that are packed, and workbooks: read in place, bounded in what they may grow to."""

from __future__ import annotations

import bz2
import gzip
import io
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import shop_feeds
from cases import first

from scenesearch.catalog import Catalog, FeedOptions, compressed, read_catalog, tar_source
from scenesearch.core.errors import CatalogError

FEEDS = shop_feeds.feeds("https://photos.shop.test")
TABLE = b"id,image,price\n1,https://s.test/1.jpg,5.00\n2,https://s.test/2.jpg,6.00\n"


def read(path: Path) -> Catalog:
    return read_catalog(path, feed=FeedOptions(fetch=True)).read_all()


def zipped(path: Path, entries: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in entries.items():
            archive.writestr(name, data)
    return path


@pytest.mark.parametrize("ending", ["gz", "bz2", "zip"])
@pytest.mark.parametrize("feed", FEEDS, ids=lambda feed: feed.file)
def test_a_feed_may_be_packed(feed: shop_feeds.Feed, ending: str, tmp_path: Path) -> None:
    plain = tmp_path / feed.file
    plain.write_bytes(feed.data)
    path = tmp_path / (f"{feed.file}.{ending}" if ending != "zip" else "export 2026.zip")
    if ending == "zip":
        zipped(path, {f"export/{feed.file}": feed.data, f"__MACOSX/export/._{feed.file}": b"x"})
    else:
        path.write_bytes({"gz": gzip.compress, "bz2": bz2.compress}[ending](feed.data))

    assert read(path).items == read(plain).items


@pytest.mark.parametrize(
    ("entries", "word"),
    [
        ({}, "holds 0 files"),
        ({"a.csv": TABLE, "b.csv": TABLE}, "holds 2 files"),
        ({"a.exe": TABLE}, "ends in '.exe'"),
        ({"a.zip": TABLE}, "ends in '.zip'"),
        ({"a.csv": bytes(200_000_000)}, "grows more than 200 times"),
        ({f"{n}/": b"" for n in range(compressed.MAX_ENTRIES + 1)}, "entries"),
    ],
    ids=["empty", "two", "another", "within", "a bomb", "many"],
)
@pytest.mark.e2e
def test_an_archive_that_is_no_feed_is_refused(
    entries: dict[str, bytes], word: str, tmp_path: Path
) -> None:
    with pytest.raises(CatalogError, match=word):
        read(zipped(tmp_path / "feed.zip", entries))


@pytest.mark.parametrize("pack", first(1, [gzip.compress, bz2.compress]), ids=["gzip", "bzip2"])
@pytest.mark.e2e
def test_what_grows_too_much_or_breaks_off_is_refused(
    pack: Callable[[bytes], bytes], tmp_path: Path
) -> None:
    ending = "gz" if pack is gzip.compress else "bz2"
    path = tmp_path / f"feed.csv.{ending}"
    path.write_bytes(pack(TABLE + b"\n" * 100_000_000))
    with pytest.raises(CatalogError, match="grows more than 200 times"):
        read(path)
    path.write_bytes(pack(TABLE * 50)[:-9])
    with pytest.raises(CatalogError, match="cannot be unpacked"):
        read(path)


def test_a_size_that_is_too_large_is_refused_whatever_the_ratio(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compressed, "MAX_BYTES", 1000)
    path = tmp_path / "feed.csv.gz"
    path.write_bytes(gzip.compress(TABLE * 50))
    with pytest.raises(CatalogError, match="more than 1,000 bytes"):
        read(path)


def tar_of(path: Path, members: list[tuple[str, bytes | str]], mode: str = "w:gz") -> Path:
    """Members by name; a text makes a link there."""
    with tarfile.open(path, mode) as tar:  # type: ignore[call-overload]
        for name, data in members:
            entry = tarfile.TarInfo(name)
            if isinstance(data, str):
                entry.type, entry.linkname = tarfile.SYMTYPE, data
                tar.addfile(entry)
            else:
                entry.size = len(data)
                tar.addfile(entry, io.BytesIO(data))
    return path


def test_links_in_a_tar_are_passed_over_and_told_of(tmp_path: Path) -> None:
    (tmp_path / "secret.jpg").write_bytes(b"x")
    path = tar_of(
        tmp_path / "set.tar",
        [
            ("1.jpg", b"photo"),
            ("1.txt", b"a chair"),
            ("2.jpg", "/etc/hostname"),
            ("3.jpg", "1.jpg"),
        ],
        "w",
    )
    found = read(path)

    assert [item.id for item in found.items] == ["1"]
    assert any("2 link(s)" in note for note in found.notes), found.notes


@pytest.mark.e2e
def test_a_tar_may_neither_grow_too_much_nor_have_too_many_members(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # what has no dot in its name is no field of a sample, and is unpacked all the same
    path = tar_of(tmp_path / "set.tar.gz", [("1.jpg", b"x"), ("padding", bytes(150_000_000))])
    with pytest.raises(CatalogError, match="grows more than 50 times"):
        read(path)
    monkeypatch.setattr(tar_source, "MAX_ENTRIES", 5)
    path = tar_of(tmp_path / "many.tar.gz", [(f"{n}.jpg", b"x") for n in range(6)])
    with pytest.raises(CatalogError, match="more than 5 members"):
        read(path)
