"""Flags whose length is damaged are refused before the engine sees them."""

from __future__ import annotations

import pytest

from scenesearch.core.errors import DamagedError
from scenesearch.core.types import CollectionSchema
from scenesearch.store.embedded.edge_flags import check_flags
from scenesearch.store.embedded.edge_translate import load_shard

PLACES = (
    "segments/one/payload_index/x-price-null/is_null",
    "segments/two/payload_index/x-price-null/has_values",
    "segments/one/vector_storage-cutout/deleted",
)


def flags(shard, place, said, size=8):
    folder = shard / place
    folder.mkdir(parents=True)
    (folder / "status.dat").write_bytes(said.to_bytes(8, "little") + bytes(8))
    (folder / "flags_a.dat").write_bytes(bytes(size))


@pytest.mark.parametrize("place", PLACES)
def test_as_many_flags_as_there_is_room_for(tmp_path, place):
    flags(tmp_path, place, 64)
    check_flags(tmp_path)


@pytest.mark.parametrize("place", PLACES)
def test_more_flags_than_there_is_room_for_are_named_with_what_mends_them(tmp_path, place):
    flags(tmp_path, place, 65)
    with pytest.raises(
        DamagedError, match=r"65 flags, .* room for 64: .* verify STORE .* --repair"
    ):
        check_flags(tmp_path)


def test_the_larger_of_two_files_of_bits_counts(tmp_path):
    flags(tmp_path, PLACES[0], 65)
    (tmp_path / PLACES[0] / "flags_b.dat").write_bytes(bytes(16))
    check_flags(tmp_path)


def test_a_length_of_something_else_is_left_alone(tmp_path):
    folder = tmp_path / "segments/one/vector_storage-cutout/vectors"
    folder.mkdir(parents=True)
    (folder / "status.dat").write_bytes((1000).to_bytes(8, "little"))
    check_flags(tmp_path)


def test_the_engine_is_not_asked_to_open_such_a_shard(tmp_path):
    flags(tmp_path, PLACES[0], 65)
    with pytest.raises(DamagedError, match="room for 64"):
        load_shard(tmp_path, CollectionSchema({"cutout": 4}, {}))
