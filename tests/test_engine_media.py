"""Photos that callers gave: where they are kept, when they leave, and how they are shown."""

from __future__ import annotations

import hashlib
import io
import os
import threading
import time

import numpy as np
import pytest
from PIL import Image

from scenesearch.core.errors import ImageError, NoSpaceError, QueryError, StoreError
from scenesearch.engine.tasks import Photo
from scenesearch.engine.thumbnails import Thumbnails
from scenesearch.images import load_scene
from scenesearch.images.media_folder import MediaFolder


def encoded(kind="PNG", size=(40, 30), colour=(200, 30, 30), **more):
    out = io.BytesIO()
    Image.new("RGB", size, colour).save(out, kind, **more)
    return out.getvalue()


@pytest.fixture
def media(tmp_path):
    return MediaFolder(tmp_path / "media", min_free_bytes=0)


@pytest.mark.parametrize(
    ("kind", "extension"),
    [
        ("PNG", "png"),
        ("JPEG", "jpg"),
        ("WEBP", "webp"),
        ("GIF", "gif"),
        ("BMP", "bmp"),
        ("TIFF", "tif"),
    ],
)
def test_a_photo_lies_under_its_content_with_the_extension_of_its_content(media, kind, extension):
    data = encoded(kind)

    path = media.keep(data)
    sha256 = hashlib.sha256(data).hexdigest()
    assert path == media.root / sha256[:2] / f"{sha256}.{extension}"
    assert path.read_bytes() == data
    assert media.find(sha256) == path
    assert [one for one in media.root.rglob("*") if one.is_file()] == [path]


def test_the_same_photo_twice_is_one_file_that_is_young_again(media):
    path = media.keep(encoded())
    os.utime(path, (0, 0))

    assert media.keep(encoded()) == path
    assert time.time() - path.stat().st_mtime < 60


@pytest.mark.parametrize("data", [b"", b"<html>", b"%PDF-1.7", b"\x7fELF"], ids=repr)
def test_what_is_no_photo_is_not_kept(media, data):
    with pytest.raises(ImageError):
        media.keep(data)
    assert not media.root.exists()


def test_a_full_disk_is_an_error_and_leaves_nothing(tmp_path):
    media = MediaFolder(tmp_path / "media", min_free_bytes=2**60)

    with pytest.raises(NoSpaceError):
        media.keep(encoded())
    assert not media.root.exists()


def test_a_folder_that_cannot_be_written_is_an_error(tmp_path):
    (tmp_path / "media").write_text("a file")

    with pytest.raises(StoreError):
        MediaFolder(tmp_path / "media", min_free_bytes=0).keep(encoded())


@pytest.mark.parametrize("name", ["", "../x", "a" * 63, "A" * 64, "a" * 64, "\0" * 64])
def test_names_that_are_no_content_find_nothing(media, name):
    media.keep(encoded())

    assert media.find(name) is None


def test_sweeping_removes_old_unused_photos_and_drafts_and_nothing_else(media):
    used, unused, young = (media.keep(encoded(colour=(n, n, n))) for n in (10, 20, 30))
    draft = used.parent / ".draft-0123abcd.tmp"
    other = used.parent / "notes.txt"
    for path in (draft, other):
        path.write_text("x")
    for path in (used, unused, draft, other):
        os.utime(path, (0, 0))

    assert media.sweep(lambda _: {used.stem}) == 2
    assert [one.exists() for one in (used, unused, young, draft, other)] == [
        *(True, False, True, False, True)
    ]


def test_what_was_used_longest_ago_goes_first_and_only_where_it_may(media):
    photos = [media.keep(encoded(colour=(n, n, n))) for n in (10, 20, 30, 40)]
    for age, path in enumerate(photos):
        os.utime(path, (age, age))
    media.touch(photos[0])
    size = photos[0].stat().st_size
    needed = photos[1].stem

    assert media.shrink(10**9, set) == 0
    assert media.shrink(2 * size + 9, lambda some: set(some) - {needed}) == 2
    assert [path.is_file() for path in photos] == [True, True, False, False]
    assert [media.find(path.stem) for path in photos] == [*photos[:2], None, None]
    assert [media.place(path.stem) for path in photos] == photos
    assert [media.sha256_of(path) for path in photos] == [path.stem for path in photos]
    assert media.sha256_of(media.root / "notes.txt") is None

    media.keep(encoded(colour=(30, 30, 30)))
    media.sweep(lambda _: {photos[0].stem, photos[2].stem}, young_s=-9)

    assert [media.place(path.stem) for path in photos] == [photos[0], None, photos[2], None]
    assert len([*media.root.glob("*/*")]) == 2


def test_nothing_is_kept_while_sweeping(media):
    """The lock that who keeps photos holds until they are in use."""
    path = media.keep(encoded())
    os.utime(path, (0, 0))
    removed = []
    with media.lock:
        sweeper = threading.Thread(target=lambda: removed.append(media.sweep(lambda _: ())))
        sweeper.start()
        sweeper.join(0.1)
        assert path.exists()
        media.keep(encoded())
    sweeper.join()

    assert removed == [0]
    assert path.exists()


class Counting:
    """A decoder that counts."""

    def __init__(self):
        self.calls = 0

    def __call__(self, photo: Photo):
        self.calls += 1
        return load_scene(photo.data, name=photo.name)


@pytest.fixture
def decode():
    return Counting()


def shown(thumbnails, path, width=64):
    return thumbnails.jpeg(str(path), path.stem, width)


@pytest.mark.parametrize(
    ("size", "width", "small"),
    [((400, 200), 100, (100, 50)), ((200, 400), 100, (50, 100)), ((40, 30), 320, (40, 30))],
    ids=["wide", "tall", "smaller than asked"],
)
def test_the_longer_side_is_at_most_the_width(media, decode, size, width, small):
    path = media.keep(encoded(size=size))

    picture = Image.open(io.BytesIO(shown(Thumbnails(decode), path, width)))
    assert picture.format == "JPEG"
    assert picture.size == small


def test_a_photo_is_shown_upright_and_without_metadata(media, decode):
    pixels = np.zeros((40, 80, 3), np.uint8)
    pixels[:, :40] = (220, 30, 30)
    exif = Image.Exif()
    exif[0x0112] = 6  # a quarter turn
    exif[0x010F] = "SecretCamera"
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "JPEG", exif=exif, comment=b"SecretNote", quality=95)

    data = shown(Thumbnails(decode), media.keep(out.getvalue()))
    picture = Image.open(io.BytesIO(data))
    assert picture.size == (32, 64)
    assert b"Secret" not in data
    assert not picture.getexif()
    top, bottom = (np.asarray(picture)[y, 16].astype(int) for y in (8, 56))
    assert top[0] > 180
    assert bottom[0] < 60


def test_what_was_shown_is_remembered_by_content_and_width(media, decode):
    path, thumbnails = media.keep(encoded()), Thumbnails(decode)

    first = shown(thumbnails, path)
    assert shown(thumbnails, path) == first
    shown(thumbnails, path, 128)
    assert decode.calls == 2


@pytest.mark.store
def test_memory_has_a_bound_and_the_latest_stay(media, decode):
    noise = np.random.default_rng(0)
    paths = []
    for _ in range(12):
        out = io.BytesIO()
        Image.fromarray(noise.integers(0, 255, (512, 512, 3), dtype=np.uint8)).save(out, "PNG")
        paths.append(media.keep(out.getvalue()))
    thumbnails = Thumbnails(decode, megabytes=1)
    sizes = [len(shown(thumbnails, path, 512)) for path in paths]

    assert sum(sizes) > 2**20
    calls = decode.calls
    shown(thumbnails, paths[-1], 512)
    assert decode.calls == calls
    shown(thumbnails, paths[0], 512)
    assert decode.calls == calls + 1


def test_a_photo_that_is_gone_or_broken_is_not_shown(media, decode, tmp_path):
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no photo")

    thumbnails = Thumbnails(decode)
    assert shown(thumbnails, tmp_path / "gone.png") is None
    assert shown(thumbnails, broken) is None
    assert shown(thumbnails, tmp_path) is None


def test_a_file_that_was_replaced_is_shown_but_not_remembered(decode, tmp_path):
    path = tmp_path / "photo.png"
    path.write_bytes(encoded(colour=(0, 0, 255)))
    thumbnails = Thumbnails(decode)

    assert thumbnails.jpeg(str(path), "0" * 64, 64) is not None
    thumbnails.jpeg(str(path), "0" * 64, 64)
    assert decode.calls == 2


@pytest.mark.parametrize("width", [0, 31, 2049, -1])
def test_a_width_has_a_range(media, decode, width):
    path = media.keep(encoded())

    with pytest.raises(QueryError, match="width must be"):
        shown(Thumbnails(decode), path, width)


def test_threads_that_ask_together_get_the_same(media, decode):
    path, thumbnails, found = media.keep(encoded()), Thumbnails(decode), []
    threads = [
        threading.Thread(target=lambda: found.append(shown(thumbnails, path))) for _ in range(8)
    ]
    for one in threads:
        one.start()
    for one in threads:
        one.join()

    assert len(found) == 8
    assert len(set(found)) == 1
