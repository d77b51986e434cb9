"""Image bombs: files that cost little to send and much to decode, made by a seeded script.

``generate()`` gives (name, data) of each; every one must be refused on what its header says.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

import bad_images as made
import numpy as np
from PIL import Image

BIG = 30_000
_OF_OTHERS = ("size_16385", "size_65500", "tile_bomb", "wide.tif", "rle_big", "many_widths")


def generate(seed: int = 0) -> list[tuple[str, bytes]]:
    """All bombs; the same for the same seed."""
    rng = np.random.default_rng(seed)
    found = [(name, data) for name, data, expect in made._bombs(rng) if expect != made.OK]
    for maker in (made._sizes, made._headers):
        found += [(name, data) for name, data, _ in maker(rng) if name.startswith(_OF_OTHERS)]
    return [*found, *_claims(rng)]


def _claims(rng: np.random.Generator) -> Iterator[tuple[str, bytes]]:
    """Small pictures whose headers claim to be large ones."""
    good = made.picture(rng)
    for progressive in (False, True):
        jpeg = bytearray(made.encoded(good, "JPEG", progressive=progressive))
        frame = jpeg.index(b"\xff\xc2" if progressive else b"\xff\xc0")
        jpeg[frame + 5 : frame + 9] = struct.pack(">HH", 65_000, 65_000)
        yield f"claims_progressive_{progressive}.jpg", bytes(jpeg)
    rows = zlib.compress(bytes(3_000_000), 9)
    for name, depth, colour, interlaced in (
        ("interlaced", 8, 2, 1),
        ("deep", 16, 6, 0),
        ("grey16", 16, 0, 0),
        ("palette", 1, 3, 0),
    ):
        head = struct.pack(">IIBBBBB", BIG, BIG, depth, colour, 0, 0, interlaced)
        chunks = [(b"IHDR", head), (b"PLTE", bytes(6)), (b"IDAT", rows), (b"IEND", b"")]
        body = b"".join(made.png_chunk(*chunk) for chunk in chunks)
        yield f"claims_{name}.png", b"\x89PNG\r\n\x1a\n" + body
    animated = struct.pack(">IIBBBBB", BIG, BIG, 8, 2, 0, 0, 0)
    frames = made.png_chunk(b"acTL", struct.pack(">II", 2**30, 0))
    body = made.png_chunk(b"IHDR", animated) + frames + made.png_chunk(b"IDAT", rows)
    yield "claims_frames.png", b"\x89PNG\r\n\x1a\n" + body
    lossless = bytearray(made.encoded(good, "WebP", lossless=True))
    at = lossless.index(b"VP8L") + 9
    lossless[at : at + 4] = b"\xff\xff\xff\x0f"  # 16,384 x 16,384
    yield "claims_lossless.webp", bytes(lossless)
    lossy = bytearray(made.encoded(good, "WebP"))
    at = lossy.index(b"\x9d\x01\x2a") + 3
    lossy[at : at + 4] = struct.pack("<HH", 16_383, 16_383)
    yield "claims_lossy.webp", bytes(lossy)
    tiff = made.encoded(good, "TIFF")
    for name, tag in (("width", 256), ("height", 257)):
        yield f"claims_{name}.tif", _tiff_claim(tiff, {tag: 2_000_000_000})
    yield "claims_both.tif", _tiff_claim(tiff, {256: BIG, 257: BIG})
    bits = made.encoded(Image.new("1", (64, 64)), "TIFF", compression="group4")
    yield "claims_fax.tif", _tiff_claim(bits, {256: 60_000, 257: 60_000})
    avif = bytearray(made.encoded(good, "AVIF"))
    at = avif.index(b"ispe") + 8
    avif[at : at + 8] = struct.pack(">II", BIG, BIG)
    yield "claims.avif", bytes(avif)


def _tiff_claim(tiff: bytes, values: dict[int, int]) -> bytes:
    """A little-endian TIFF with other numbers in its first directory."""
    changed = bytearray(tiff)
    directory = struct.unpack_from("<I", tiff, 4)[0]
    for i in range(struct.unpack_from("<H", tiff, directory)[0]):
        at = directory + 2 + 12 * i
        tag = struct.unpack_from("<H", tiff, at)[0]
        if tag in values:
            struct.pack_into("<HII", changed, at + 2, 4, 1, values[tag])
    return bytes(changed)
