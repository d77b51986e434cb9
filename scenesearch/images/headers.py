"""Headers of photo files, read without a decoder: size, orientation, and what the decoder needs.

Takes encoded bytes, gives a Header, or an error that does not name the file. Only the
parts a decoder needs for the pixels of the first picture are handed on (``Header.clean``):
EXIF, ICC profiles, text, XMP and further pages never reach a third-party parser, so they can
neither be echoed, nor cost time or memory, nor make a decoder warn. Every walk is bounded.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterator
from typing import Final

from scenesearch.core.errors import ImageError
from scenesearch.core.limits import ImageLimits
from scenesearch.images.limits import MAX_STEPS, Header, broken, check_size, cut_off, setting
from scenesearch.images.tiff import exif_orientation, read_tiff


def read_header(kind: str, data: bytes, limits: ImageLimits) -> Header:
    """Read the header of a photo and check its size.

    Args:
        kind: ``JPEG``, ``PNG``, ``GIF``, ``WebP``, ``BMP`` or ``TIFF``.
        data: the whole file.
        limits: what is accepted.

    Raises:
        ImageError: the header is broken, or says more than the limits allow.
    """
    readers = {
        "JPEG": read_jpeg,
        "PNG": read_png,
        "GIF": read_gif,
        "WebP": read_webp,
        "BMP": read_bmp,
        "TIFF": read_tiff,
    }
    try:
        return readers[kind](data, limits)
    except struct.error as error:
        raise cut_off() from error


# JPEG (ITU-T T.81): segments up to the first scan, then entropy-coded data.

_MARKER: Final = re.compile(rb"\xff([^\x00\xff])")
_SCAN_MARKER: Final = re.compile(rb"\xff([^\x00\xff\x01\xd0-\xd7])")
_NO_LENGTH: Final = {0x01, *range(0xD0, 0xD9)}
_FRAMES: Final = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
_DECODABLE_FRAMES: Final = {0xC0, 0xC1, 0xC2, 0xC9, 0xCA}
# Tables, restart interval, JFIF and Adobe (they say how the colours are coded).
_NEEDED: Final = _FRAMES | {0xC4, 0xCC, 0xDB, 0xDD, 0xE0, 0xEE}


SCALED_TIMES: Final = 4
"""A JPEG may have so many times the pixels of the limit: it is scaled as it is decoded."""
BUFFERED_TIMES: Final = 2
"""Likewise one of several scans, whose coefficients a decoder holds: some 3 bytes a pixel."""


def read_jpeg(data: bytes, limits: ImageLimits) -> Header:
    """JPEG; of MPO, Ultra HDR and motion photos the first picture."""
    kept: list[bytes | memoryview] = [data[:2]]
    view = memoryview(data)
    frame: tuple[int, int, int, int, int] | None = None  # code, precision, height, width, parts
    orientation = 0
    position = 2
    for _ in range(MAX_STEPS):
        marker = _MARKER.search(data, position)
        if marker is None:
            raise cut_off()
        code, position = marker[1][0], marker.end()
        if code in _NO_LENGTH:
            continue
        if code == 0xD9:
            raise broken("it ends before any picture data")
        (length,) = struct.unpack_from(">H", data, position)
        end = position + length
        if length < 2:
            raise broken(f"a segment has the impossible length {length}")
        if end > len(data):
            raise cut_off()
        if code == 0xDA:
            break
        if code in _FRAMES:
            if frame is not None:
                raise broken("it has two frame headers")
            frame = (code, *struct.unpack_from(">BHHB", data, position + 2))
            check_size((frame[3], frame[2]), limits, times=SCALED_TIMES)
        elif code == 0xE1 and not orientation and data[position + 2 : position + 6] == b"Exif":
            orientation = exif_orientation(data[position + 2 : end])
        if code in _NEEDED:
            kept.append(view[marker.start() : end])
        position = end
    else:
        raise broken(f"it has more than {MAX_STEPS:,} segments before its picture")
    if frame is None:
        raise broken("its picture has no frame header")
    sof, precision, height, width, components = frame
    if sof not in _DECODABLE_FRAMES or precision != 8:
        raise ImageError(
            f"it is a JPEG of {precision} bits a sample and process {sof - 0xC0}, expected 8 bits, "
            f"baseline or progressive; save it as an ordinary JPEG",
            code="unsupported_image",
        )
    # Only then does a decoder hold the whole picture and go over it again for every scan.
    (parts,) = struct.unpack_from(">B", data, position + 2)
    if sof in (0xC2, 0xCA) or parts < components:
        # it holds the coefficients of all pixels then, however small the picture is to be
        check_size((width, height), limits, times=BUFFERED_TIMES)
        _count_scans(data, end, limits.max_scans)
    kept.append(view[marker.start() :])
    return Header((width, height), b"".join(kept), orientation or 1)


def _count_scans(data: bytes, position: int, limit: int) -> None:
    scans = 1
    for _ in range(MAX_STEPS):
        marker = _SCAN_MARKER.search(data, position)
        if marker is None or marker[1] == b"\xd9":
            return
        scans += marker[1] == b"\xda"
        if scans > limit:
            raise ImageError(
                f"it is a JPEG of more than {limit} scans, expected about 10; "
                f"save it again, or set {setting('max_scans', 2 * limit)}",
                code="too_many_scans",
            )
        length = int.from_bytes(data[marker.end() : marker.end() + 2], "big")
        position = marker.end() + length
    raise broken(f"it has more than {MAX_STEPS:,} markers in its picture data")


# PNG (ISO/IEC 15948): chunks.

_MAX_TEXT: Final = 1_000_000
_MAX_TEXT_TOTAL: Final = 16_000_000


def read_png(data: bytes, limits: ImageLimits) -> Header:
    """PNG; of an animated PNG the default picture."""
    if data[12:16] == b"CgBI":
        raise ImageError(
            "it is a PNG changed for iOS programs (CgBI), expected a standard PNG; "
            "convert it back with `pngcrush -revert-iphone-optimizations`",
            code="unsupported_image",
        )
    (first, width, height) = struct.unpack_from(">4sII", data, 12)
    if first != b"IHDR":
        raise broken("it does not start with an IHDR chunk")
    check_size((width, height), limits)
    kept: list[bytes | memoryview] = [data[:8]]
    has_pixels = ends_early = False
    orientation, frames, text = 1, 1, 0
    for name, start, end in _chunks(data, 8, ">I4s", trailer=4):
        body = memoryview(data)[start + 8 : end - 4]
        ends_early = end > len(data)
        if name in (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"):
            kept.append(memoryview(data)[start:end])
            has_pixels |= name == b"IDAT"
        elif name in (b"zTXt", b"iTXt"):
            text += _expanded_text(bytes(body), name)
        elif name == b"eXIf":
            orientation = exif_orientation(bytes(body))
        elif name == b"acTL" and len(body) >= 4:
            frames = max(int.from_bytes(body[:4], "big"), 1)
        if text > _MAX_TEXT_TOTAL:
            raise broken(f"its texts expand to more than {_MAX_TEXT_TOTAL:,} bytes")
        if name == b"IEND" or ends_early:
            break
    else:
        ends_early = True
    if not has_pixels:
        raise cut_off() if ends_early else broken("it has no picture data")
    further = f"{frames - 1:,} further frames" if frames > 1 else ""
    return Header((width, height), b"".join(kept), orientation, further, ends_early)


def _expanded_text(body: bytes, name: bytes) -> int:
    """How many bytes a compressed text gives; stops, and refuses, above the limit."""
    _, _, rest = body.partition(b"\x00")
    if name == b"iTXt":
        if rest[:1] != b"\x01":
            return 0
        rest = rest[1:].split(b"\x00", 2)[-1]
    try:
        length = len(zlib.decompressobj().decompress(rest[1:], _MAX_TEXT + 1))
    except zlib.error:
        return 0
    if length > _MAX_TEXT:
        raise broken(f"a text in it expands to more than {_MAX_TEXT:,} bytes")
    return length


def _chunks(
    data: bytes, position: int, layout: str, *, trailer: int = 0, align: int = 1
) -> Iterator[tuple[bytes, int, int]]:
    """(name, start, end) of each chunk of a PNG or RIFF file; the last may end after the data."""
    big_endian = layout[0] == ">"
    for _ in range(MAX_STEPS):
        if position + 8 > len(data):
            return
        first, second = struct.unpack_from(layout, data, position)
        length, name = (first, second) if big_endian else (second, first)
        if not name.strip().isalnum():
            raise broken("a chunk has an impossible name")
        end = position + 8 + length + trailer
        yield name, position, end
        position = end + (-length) % align
    raise broken(f"it has more than {MAX_STEPS:,} chunks")


# GIF (CompuServe GIF89a): blocks.


def read_gif(data: bytes, limits: ImageLimits) -> Header:
    """GIF; of an animation the first frame."""
    width, height, flags = struct.unpack_from("<HHB", data, 6)
    position = 13 + _palette_bytes(flags)
    kept = [data[:position]]
    budget = MAX_STEPS
    while budget := budget - 1:
        if position + 10 > len(data):
            raise cut_off()
        if data[position] == 0x2C:
            break
        if data[position] == 0x3B:
            raise broken("it has no picture")
        if data[position] == 0x21:
            end, budget = _skip_sub_blocks(data, position + 2, budget)
            if data[position + 1] == 0xF9:
                kept.append(data[position:end])
            position = end
        else:
            position += 1  # padding between blocks, as decoders allow
    else:
        raise broken(f"it has more than {MAX_STEPS:,} blocks before its picture")
    left, top, frame_width, frame_height, flags = struct.unpack_from("<4HB", data, position + 1)
    # Decoders enlarge the screen to hold the frame, so a small screen proves nothing.
    size = (max(width, left + frame_width), max(height, top + frame_height))
    check_size(size if frame_width and frame_height else (frame_width, frame_height), limits)
    kept.append(data[position:])
    end, budget = _skip_sub_blocks(data, position + 11 + _palette_bytes(flags), 10 * MAX_STEPS)
    ends_early = end >= len(data)
    while budget > 0 and data[end : end + 1] == b"\x21":
        end, budget = _skip_sub_blocks(data, end + 2, budget)
    further = "further frames" if data[end : end + 1] == b"\x2c" else ""
    return Header(size, b"".join(kept), 1, further, ends_early)


def _palette_bytes(flags: int) -> int:
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0


def _skip_sub_blocks(data: bytes, position: int, budget: int) -> tuple[int, int]:
    """Where the chain of sub-blocks at ``position`` ends, and what is left of the budget."""
    while budget > 0 and position < len(data):
        budget -= 1
        length = data[position]
        position += 1 + length
        if length == 0:
            break
    return position, max(budget, 1)


# WebP (RFC 9649): RIFF chunks.


def read_webp(data: bytes, limits: ImageLimits) -> Header:
    """WebP; of an animation the first frame."""
    (declared,) = struct.unpack_from("<4xI", data)
    size = _webp_size(data)
    check_size(size, limits)
    orientation, frames = 1, 0
    ends_early = declared + 8 > len(data)
    for name, start, end in _chunks(data[: declared + 8], 12, "<4sI", align=2):
        ends_early |= end > len(data)
        if name == b"EXIF":
            orientation = exif_orientation(data[start + 8 : end])
        frames += name == b"ANMF"
    further = f"{frames - 1:,} further frames" if frames > 1 else ""
    return Header(size, data, orientation, further, ends_early)


def _webp_size(data: bytes) -> tuple[int, int]:
    kind = data[12:16]
    if kind == b"VP8X":
        low_w, high_w, low_h, high_h = struct.unpack_from("<HBHB", data, 24)
        return (low_w | high_w << 16) + 1, (low_h | high_h << 16) + 1
    if kind == b"VP8 ":
        width, height = struct.unpack_from("<HH", data, 26)
        return width & 0x3FFF, height & 0x3FFF
    if kind == b"VP8L":
        (bits,) = struct.unpack_from("<I", data, 21)
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    raise cut_off() if len(data) < 16 else broken("it does not start with a picture chunk")


# BMP (Windows GDI, BITMAPCOREHEADER and BITMAPINFOHEADER to V5).

_MAX_RLE_PIXELS: Final = 4_000_000


def read_bmp(data: bytes, limits: ImageLimits) -> Header:
    """BMP."""
    (header_size,) = struct.unpack_from("<I", data, 14)
    compression = 0
    if header_size == 12:
        width, height = struct.unpack_from("<HH", data, 18)
    else:
        width, height, compression = struct.unpack_from("<ii4xI", data, 18)
    size = (width, abs(height))
    check_size(size, limits)
    if compression in (1, 2) and width * abs(height) > _MAX_RLE_PIXELS:
        # Pillow decodes these runs in Python, byte by byte.
        raise ImageError(
            f"it is a run-length coded BMP of {width} x {abs(height)} pixels, expected at most "
            f"{_MAX_RLE_PIXELS:,} pixels of this kind; save it as PNG",
            code="too_many_pixels",
        )
    return Header(size, data)
