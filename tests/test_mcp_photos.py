"""What an agent may call a photo."""

from __future__ import annotations

import base64
import os

import pytest

from scenesearch.core.errors import ImageError
from scenesearch.core.limits import ImageLimits
from scenesearch.mcp.photos import read_photo

LIMITS = ImageLimits(max_bytes=1000)


@pytest.fixture
def photo(tmp_path):
    path = tmp_path / "photos" / "room.jpg"
    path.parent.mkdir()
    path.write_bytes(b"a photo")
    return path


def test_a_path_gives_the_file_as_it_is(photo):
    assert read_photo(str(photo), (), LIMITS) == b"a photo"
    assert read_photo(str(photo), (photo.parent,), LIMITS) == b"a photo"


def test_a_data_url_gives_what_is_in_it():
    text = "data:image/jpeg;base64," + base64.b64encode(b"a photo").decode()

    assert read_photo(text, (), LIMITS) == b"a photo"


def test_a_link_out_of_the_allowed_folders_leads_nowhere(photo, tmp_path):
    secret = tmp_path / "secret"
    secret.write_bytes(b"no photo of yours")
    (photo.parent / "link.jpg").symlink_to(secret)

    for path in (secret, photo.parent / "link.jpg", photo.parent / ".." / "secret"):
        with pytest.raises(ImageError, match="lies outside") as caught:
            read_photo(str(path), (photo.parent,), LIMITS)
        assert caught.value.code == "not_found"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("nowhere.jpg", "not_found"),
        ("/", "not_found"),
        ("a\0b", "unreadable"),
        ("https://example.com/room.jpg", "fetch_disabled"),
        ("data:image/jpeg,plain", "bad_base64"),
        ("data:image/jpeg;base64,!!!", "bad_base64"),
        ("data:image/jpeg;base64," + "A" * 2000, "too_many_bytes"),
    ],
    ids=["missing", "folder", "nul", "address", "not_base64", "broken_base64", "long"],
)
def test_anything_else_is_refused(text, code):
    with pytest.raises(ImageError) as caught:
        read_photo(text, (), LIMITS)

    assert caught.value.code == code


def test_a_file_that_is_too_large_is_not_read(photo):
    photo.write_bytes(bytes(1001))

    with pytest.raises(ImageError, match="1,001 bytes"):
        read_photo(str(photo), (), LIMITS)


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.jpg")

    with pytest.raises(ImageError, match="is no file"):
        read_photo(str(tmp_path / "pipe.jpg"), (), LIMITS)
