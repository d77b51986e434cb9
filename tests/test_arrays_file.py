"""Arrays as numpy.savez writes them, read without numpy.load."""

from __future__ import annotations

import io
import zipfile

import numpy as np
import pytest

from scenesearch.models.embed.arrays_file import read_arrays

ARRAYS = {
    "0/cutout": np.linspace(-1, 1, 320, dtype=np.float32),
    "0/profile": np.arange(1000).astype(np.float16),
    "1/empty": np.zeros((0, 4), np.float32),
    "1/table": np.arange(12.0).reshape(3, 4),
    "number": np.array(7),
}


def saved(**options) -> bytes:
    out = io.BytesIO()
    options.get("save", np.savez)(out, **options.get("arrays", ARRAYS))
    return out.getvalue()


def test_what_numpy_saved_is_read_as_numpy_reads_it():
    blob = saved()
    found = dict(read_arrays(blob))

    with np.load(io.BytesIO(blob)) as wanted:
        assert list(found) == wanted.files
        for name, array in found.items():
            assert array.dtype == wanted[name].dtype
            assert np.array_equal(array, wanted[name])
            assert array.flags.writeable


def test_every_byte_of_an_array_counts():
    blob = saved()
    with zipfile.ZipFile(io.BytesIO(blob)) as file:
        places = [(one.header_offset, one.file_size) for one in file.infolist()]
    for start, size in places:
        wrong = bytearray(blob)
        wrong[start + 60 + size // 2] ^= 1

        with pytest.raises((ValueError, zipfile.BadZipFile)):
            list(read_arrays(bytes(wrong)))


@pytest.mark.parametrize(
    "blob",
    [
        b"",
        saved()[:-30],
        saved()[200:],
        saved(save=np.savez_compressed),
        saved(arrays={"columns": np.asfortranarray(np.ones((3, 4)))}),
        saved(arrays={"objects": np.array([{}], dtype=object)}),
    ],
    ids=["empty", "no end", "no beginning", "compressed", "by column", "objects"],
)
def test_what_is_something_else_is_refused(blob):
    with pytest.raises((ValueError, zipfile.BadZipFile)):
        list(read_arrays(blob))
