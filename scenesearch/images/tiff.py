"""Directories of TIFF, which EXIF uses too: the orientation, and a TIFF reduced to its first page.

Takes encoded bytes, gives numbers or a Header. Knows nothing of any decoder.
"""

from __future__ import annotations

import struct
from typing import Final, NamedTuple

from scenesearch.core.errors import ImageError
from scenesearch.core.limits import ImageLimits
from scenesearch.images.limits import Header, broken, check_size, cut_off


def exif_orientation(exif: bytes) -> int:
    r"""The orientation in an EXIF block; 1 wherever it is missing, broken or out of range.

    Args:
        exif: with or without the leading ``Exif\0\0``.

    Returns:
        1 to 8, tag 0x0112 of the first directory (CIPA DC-008, 4.6.5).
    """
    body = exif.removeprefix(b"Exif\x00\x00")
    order = {b"II": "<", b"MM": ">"}.get(body[:2])
    if order is None:
        return 1
    try:
        (start,) = struct.unpack_from(order + "4xI", body)
        (count,) = struct.unpack_from(order + "H", body, start)
        for at in range(start + 2, start + 2 + 12 * count, 12):
            tag, kind, values = struct.unpack_from(order + "HHI", body, at)
            if tag == 0x0112:
                if values != 1 or kind not in (3, 4):
                    return 1
                (value,) = struct.unpack_from(order + " HI"[kind - 2], body, at + 8)
                return int(value) if 1 <= value <= 8 else 1
    except struct.error:
        pass
    return 1


# TIFF 6.0 and BigTIFF.

_BYTES_BY_TYPE: Final = (0, 1, 1, 2, 4, 8, 1, 1, 2, 4, 8, 4, 8, 4, 0, 0, 8, 8, 8)
_INTEGERS: Final = {1: "B", 3: "H", 4: "I", 16: "Q"}
_BITS, _SAMPLE_FORMAT, _FLOAT = 258, 339, 3
_WIDTH, _HEIGHT, _ORIENTATION, _DNG_VERSION, _SUBFILE = 256, 257, 274, 50706, 254
_STRIPS: Final = ((273, 279), (324, 325))  # offsets and byte counts, of strips and of tiles
_TILE_SIDES: Final = (322, 323)
_ONE_VALUE: Final = {256, 257, 259, 262, 266, 277, 278, 284, 292, 293, 317, 322, 323, 512}
# What the pixels need, so without metadata, profiles, orientation and links to further pages.
_NEEDED: Final = _ONE_VALUE | {
    *(258, 273, 279, 320, 324, 325, 332, 338, 339, 347, 529, 530, 531, 532),
    *range(513, 522),
}
_MAX_ENTRIES: Final = 4_096
_MAX_VALUES: Final = 250_000


class _Entry(NamedTuple):
    raw: bytes
    kind: int
    values: int
    at: int


def read_tiff(data: bytes, limits: ImageLimits) -> Header:
    """TIFF and BigTIFF; of several pages the first.

    The first directory is written again, after the data, with the needed tags only.

    Raises:
        ImageError: see :func:`scenesearch.images.headers.read_header`.
        struct.error: a directory or a value lies outside the data.
    """
    order = "<" if data[:2] == b"II" else ">"
    big = 43 in data[2:4]
    word, entry_layout, count_layout = ("Q", "HHQ", "Q") if big else ("I", "HHI", "H")
    word_bytes = struct.calcsize(order + word)
    (first,) = struct.unpack_from(order + word, data, word_bytes if big else 4)
    (count,) = struct.unpack_from(order + count_layout, data, min(first, len(data)))
    if not 0 < count <= _MAX_ENTRIES:
        raise broken(f"its first directory has {count} entries")
    entries: dict[int, _Entry] = {}
    position = first + struct.calcsize(order + count_layout)
    entry_bytes = struct.calcsize(order + entry_layout) + word_bytes
    for at in range(position, position + count * entry_bytes, entry_bytes):
        tag, kind, values = struct.unpack_from(order + entry_layout, data, at)
        length = (_BYTES_BY_TYPE[kind] if kind < len(_BYTES_BY_TYPE) else 0) * values
        value_at = at + entry_bytes - word_bytes
        if length > word_bytes:
            (value_at,) = struct.unpack_from(order + word, data, value_at)
        if tag in _NEEDED:
            if values > _MAX_VALUES or (tag in _ONE_VALUE and values != 1):
                raise broken(f"its tag {tag} has {values:,} values")
            if value_at + length > len(data):
                raise cut_off()
        entries.setdefault(tag, _Entry(data[at : at + entry_bytes], kind, values, value_at))
    end = position + count * entry_bytes

    def integers(tag: int) -> tuple[int, ...]:
        entry = entries.get(tag)
        if entry is None or entry.kind not in _INTEGERS:
            return ()
        return struct.unpack_from(f"{order}{entry.values}{_INTEGERS[entry.kind]}", data, entry.at)

    def integer(tag: int, default: int) -> int:
        entry = entries.get(tag)
        return next(iter(integers(tag)), default) if entry and entry.values == 1 else default

    if _DNG_VERSION in entries or integer(_SUBFILE, 0) & 1:
        raise ImageError(
            "its first page is a thumbnail, as in camera raw files (DNG, NEF, ARW), expected a "
            "photo; develop it to JPEG",
            code="unsupported_image",
        )
    bits = integers(_BITS)
    # Pillow reads floats of 32 bits in one channel, and calls the others broken
    if _FLOAT in integers(_SAMPLE_FORMAT) and (len(bits) != 1 or bits[0] != 32):
        raise ImageError(
            f"it is a TIFF of floats ({len(bits)} channel(s) of {max(bits, default=0)} bits), "
            f"expected whole numbers of 8 or 16 bits; export it with those",
            code="unsupported_image",
        )
    size = integer(_WIDTH, 0), integer(_HEIGHT, 0)
    check_size(size, limits)
    tile = [integer(tag, 1) for tag in _TILE_SIDES]
    if tile[0] * tile[1] > limits.max_pixels:
        raise ImageError(
            f"it is made of tiles of {tile[0]} x {tile[1]} pixels, expected at most "
            f"{limits.max_pixels:,} pixels in all; save it without tiles",
            code="too_many_pixels",
        )
    ends_early = any(
        start + length > len(data)
        for offsets, lengths in _STRIPS
        for start, length in zip(integers(offsets), integers(lengths), strict=False)
    )
    (following,) = (
        struct.unpack_from(order + word, data, end) if end + word_bytes <= len(data) else (0,)
    )
    kept = [entries[tag].raw for tag in sorted(entries) if tag in _NEEDED]
    header_bytes = 2 * word_bytes
    pad = -len(data) % word_bytes
    clean = b"".join(
        (
            data[: header_bytes - word_bytes],
            struct.pack(order + word, len(data) + pad),
            data[header_bytes:],
            bytes(pad),
            struct.pack(order + count_layout, len(kept)),
            *kept,
            bytes(word_bytes),
        )
    )
    orientation = integer(_ORIENTATION, 1)
    return Header(
        size,
        clean,
        orientation if 1 <= orientation <= 8 else 1,
        "further pages" if following else "",
        ends_early,
    )
