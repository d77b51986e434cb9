"""Bad and odd image files, made by a seeded script, each with what must come of it.

``generate(directory, seed)`` or ``python tests/bad_images.py DIR`` writes the files.
"""

from __future__ import annotations

import io
import struct
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image, features

OK = "ok"
ANY = "ok or an error"
TRUNCATED = "truncated_image"
CORRUPT = "corrupt_image"
UNSUPPORTED = "unsupported_image"
TOO_MANY_PIXELS = "too_many_pixels"
FORMATS = ("JPEG", "PNG", "WebP", "GIF", "TIFF", "BMP", "AVIF")

Made = tuple[str, bytes, str | tuple[str, ...]]


class Case(NamedTuple):
    """One file, and ``ok``, the codes of which one must come, or ``ok or an error``."""

    name: str
    path: Path
    expect: tuple[str, ...]


def generate(directory: Path, seed: int = 0) -> list[Case]:
    """Write every case into ``directory``."""
    directory.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    cases = []
    for maker in (_foreign, _sizes, _bombs, _headers, _cuts, _flips, _animations, _modes, _exif):
        for name, data, expect in maker(rng):
            path = directory / name
            path.write_bytes(data)
            cases.append(Case(name, path, (expect,) if isinstance(expect, str) else expect))
    return cases


def picture(rng: np.random.Generator, size: tuple[int, int] = (96, 64)) -> Image.Image:
    """Smooth colours with sharp parts, so that shifts, flips and lost channels all show."""
    width, height = size
    y, x = np.mgrid[:height, :width].astype(np.float32)
    channels = [(x / width) * 255, (y / height) * 255, 255 - (x + y) / (width + height) * 255]
    pixels = np.stack(channels, axis=2).astype(np.uint8)
    pixels[4 : height // 3, 6 : width // 4] = (200, 30, 30)
    pixels[height // 2 :, width // 2 : width // 2 + 9] = rng.integers(0, 256, 3)
    return Image.fromarray(pixels)


def encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    """The bytes of an image file."""
    buffer = io.BytesIO()
    image.save(buffer, kind.upper(), **options)
    return buffer.getvalue()


def png_chunk(name: bytes, body: bytes) -> bytes:
    """One PNG chunk with its check sum."""
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def png(
    size: tuple[int, int], rows: bytes, *, bits: int = 8, colour: int = 2, extra: bytes = b""
) -> bytes:
    """A PNG of raw rows (each with its filter byte); ``extra`` chunks go before the pixels."""
    header = struct.pack(">IIBBBBB", *size, bits, colour, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + png_chunk(b"IHDR", header)
        + extra
        + png_chunk(b"IDAT", zlib.compress(rows))
        + png_chunk(b"IEND", b"")
    )


def exif_block(
    value: bytes, *, kind: int = 3, count: int = 1, order: str = "<", tag: int = 0x0112
) -> bytes:
    """An EXIF block of one tag whose four value bytes are given."""
    head = b"II*\x00" if order == "<" else b"MM\x00*"
    entry = struct.pack(order + "HHI", tag, kind, count) + value.ljust(4, b"\x00")
    return b"Exif\x00\x00" + head + struct.pack(order + "IH", 8, 1) + entry + bytes(4)


def jpeg_segment(marker: int, body: bytes) -> bytes:
    """One JPEG segment."""
    return bytes((0xFF, marker)) + struct.pack(">H", len(body) + 2) + body


def many_scans(image: Image.Image, scans: int) -> bytes:
    """A progressive JPEG whose last scan is repeated."""
    data = encoded(image, "JPEG", progressive=True)
    last = data[data.rindex(b"\xff\xda") : -2]
    return data[:-2] + last * (scans - data.count(b"\xff\xda")) + b"\xff\xd9"


def gif_of_frames(frames: int) -> bytes:
    """A GIF whose first frame is whole and whose further ones are of 1 x 1 pixels."""
    whole = encoded(Image.new("P", (32, 32), 1), "GIF")
    dot = b"\x2c" + struct.pack("<4HB", 0, 0, 1, 1, 0) + b"\x02\x02\x44\x01\x00"
    return whole[:-1] + dot * (frames - 1) + b";"


def _foreign(rng: np.random.Generator) -> Iterator[Made]:
    yield "zero_bytes.jpg", b"", "empty_image"
    for length in (1, 3, 15, 1000, 100_000):
        yield f"random_{length}.jpg", b"\x07" + rng.bytes(length), UNSUPPORTED
    svg = b'<?xml version="1.0"?><!DOCTYPE svg [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]>'
    svg += b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1e9 1e9"><script/>&b;</svg>'
    heads = {
        "text": b"just a note\n",
        "html": b"\n<!DOCTYPE html><html><img src=x></html>",
        "svg": svg,
        "xml": b"<?xml version='1.0'?><photos/>",
        "pdf": b"%PDF-1.7\n",
        "zip": b"PK\x03\x04",
        "elf": b"\x7fELF\x02\x01",
        "mp4": b"\x00\x00\x00\x18ftypisom\x00\x00\x02\x00isommp41",
        "mov": b"\x00\x00\x00\x14ftypqt  \x00\x00\x02\x00qt  ",
        "jxl": b"\xff\x0a\xfa\x1f",
        "jp2": b"\x00\x00\x00\x0cjP  \r\n\x87\n",
        "psd": b"8BPS\x00\x01",
        "eps": b"%!PS-Adobe-3.0 EPSF-3.0\n",
        "icns": b"icns\x00\x00\x01\x00",
        "dds": b"DDS \x7c\x00\x00\x00",
        "fits": b"SIMPLE  =                    T",
        "avi": b"RIFF\x00\x01\x00\x00AVI LIST",
        "cr2": b"II*\x00\x10\x00\x00\x00CR\x02\x00",
        "bm_text": b"BM is how this sentence starts.",
    }
    for name, head in heads.items():
        yield f"{name}_named.jpg", head + bytes(64 if name != "text" else 0), UNSUPPORTED
    good = picture(rng)
    jpeg, png_bytes = encoded(good, "JPEG"), encoded(good, "PNG")
    page = b"<script>alert(1)</script>"
    archive = b"PK\x03\x04" + rng.bytes(200) + b"PK\x05\x06" + bytes(18)
    yield "png_named.jpg", png_bytes, OK
    yield "jpeg_named.txt", jpeg, OK
    yield "gifar.gif", encoded(good, "GIF") + archive, OK
    yield "jpeg_and_zip.jpg", jpeg + archive, OK
    yield "jpeg_and_html.jpg", jpeg[:2] + jpeg_segment(0xFE, page) + jpeg[2:] + page, OK
    yield "png_and_js.png", png_bytes + page, OK
    yield "pdf_and_jpeg.jpg", b"%PDF-1.4\n" + jpeg, UNSUPPORTED
    yield "motion_photo.jpg", jpeg + heads["mp4"] + rng.bytes(200_000), OK
    mpo = encoded(good, "MPO", save_all=True, append_images=[good.transpose(0)])
    yield "stereo.mpo", mpo, OK
    yield "malformed_index.mpo", mpo.replace(b"MPF\x00", b"MPF\x00junk", 1), OK


def _sizes(rng: np.random.Generator) -> Iterator[Made]:
    small = "image_too_small"
    table = (
        *((size, small) for size in ((1, 1), (2, 2), (15, 15), (15, 200), (1, 10_000))),
        *((size, OK) for size in ((16, 16), (16, 320), (16_384, 820))),
        *((size, "aspect") for size in ((16, 321), (400, 17), (65_500, 10))),
        ((16_385, 820), TOO_MANY_PIXELS),
    )
    for size, expect in table:
        yield f"size_{size[0]}x{size[1]}.jpg", encoded(Image.new("L", size, 90), "JPEG"), expect
    for name, value in (("black", 0), ("white", 255)):
        yield f"all_{name}.png", encoded(Image.new("RGB", (40, 40), (value,) * 3), "PNG"), OK
    yield "invisible.png", encoded(Image.new("RGBA", (40, 40), (9, 9, 9, 0)), "PNG"), OK
    noise = rng.integers(0, 256, (64, 64, 3), dtype=np.uint8)
    yield "noise.webp", encoded(Image.fromarray(noise), "WebP", lossless=True), OK
    good = picture(rng)
    jpeg = bytearray(encoded(good, "JPEG"))
    sof = jpeg.index(b"\xff\xc0")
    for name, at in (("height", 5), ("width", 7)):
        zero = jpeg.copy()
        zero[sof + at : sof + at + 2] = b"\x00\x00"
        yield f"zero_{name}.jpg", bytes(zero), CORRUPT
    yield "zero_width.png", png((0, 20), b"\x00" * 20), CORRUPT
    gif = encoded(Image.new("P", (32, 32), 1), "GIF")
    frame = gif.index(b"\x2c\x00\x00\x00\x00")
    yield "zero_width.gif", gif[: frame + 5] + b"\x00\x00" + gif[frame + 7 :], CORRUPT


def _bombs(rng: np.random.Generator) -> Iterator[Made]:
    row = zlib.compressobj(9)
    pixels = b"".join(row.compress(bytes(3751)) for _ in range(3000)) + row.flush()
    idat = png_chunk(b"IDAT", pixels)
    for side in (7_100, 30_000, 2_000_000_000):
        head = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
        body = b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", head) + idat + png_chunk(b"IEND", b"")
        yield f"bomb_{side}.png", body, TOO_MANY_PIXELS
    gif = bytearray(encoded(Image.new("P", (32, 32), 1), "GIF"))
    frame = gif.index(b"\x2c\x00\x00\x00\x00")
    gif[frame + 5 : frame + 9] = struct.pack("<HH", 65_000, 65_000)
    yield "bomb_extents.gif", bytes(gif), TOO_MANY_PIXELS
    gif[frame + 1 : frame + 9] = struct.pack("<4H", 65_000, 65_000, 10, 10)
    yield "bomb_offset.gif", bytes(gif), TOO_MANY_PIXELS
    gif[6:10] = b"\xff\xff\xff\xff"
    yield "bomb_screen.gif", bytes(gif), TOO_MANY_PIXELS
    frames = [Image.new("RGB", (32, 32), (i, 0, 0)) for i in (0, 255)]
    webp = bytearray(encoded(frames[0], "WebP", save_all=True, append_images=frames[1:]))
    webp[24:30] = b"\xff\x3f\x00\xff\x3f\x00"
    yield "bomb_canvas.webp", bytes(webp), TOO_MANY_PIXELS
    bmp = bytearray(encoded(picture(rng), "BMP"))
    for name, width, height, expect in (
        ("badwidth", -96, 64, CORRUPT),
        ("reallybig", 3_000_000, 2_000_000, TOO_MANY_PIXELS),
        ("topdown_big", 30_000, -30_000, TOO_MANY_PIXELS),
    ):
        bmp[18:26] = struct.pack("<ii", width, height)
        yield f"{name}.bmp", bytes(bmp), expect
    good = picture(rng)
    rows = b"".join(b"\x00" + bytes(96 * 3) for _ in range(64))
    z_text = zlib.compress(bytes(20_000_000), 9)
    small_text = zlib.compress(bytes(900_000), 9)
    i_text = png_chunk(b"iTXt", b"key\x00\x01\x00\x00\x00" + z_text)
    yield "ztxt.png", png((96, 64), rows, extra=png_chunk(b"zTXt", b"k\x00\x00" + z_text)), CORRUPT
    yield "itxt.png", png((96, 64), rows, extra=i_text), CORRUPT
    many = png_chunk(b"zTXt", b"k\x00\x00" + small_text) * 40
    yield "many_ztxt.png", png((96, 64), rows, extra=many), CORRUPT
    yield "short_ztxt.png", png((96, 64), rows, extra=many[: len(many) // 40]), OK
    yield "chunks_1000000.png", png((96, 64), rows, extra=bytes(4) + b"teSt" + bytes(4)), OK
    tiny = png_chunk(b"teSt", b"") * 1_000_000
    yield "chunks_million.png", png((96, 64), rows, extra=tiny), CORRUPT
    profile = png_chunk(b"iCCP", b"p\x00\x00" + zlib.compress(bytes(20_000_000), 9))
    yield "icc_20mb.png", png((96, 64), rows, extra=profile), OK
    yield "icc_junk.jpg", encoded(good, "JPEG", icc_profile=rng.bytes(5_000)), OK
    yield "icc_20mb.jpg", encoded(good, "JPEG", icc_profile=bytes(16_000_000)), OK
    for scans, expect in ((100, OK), (101, "too_many_scans"), (406, "too_many_scans")):
        yield f"scans_{scans}.jpg", many_scans(good, scans), expect
    yield "restarts.jpg", b"\xff\xd8\xff" + b"\xd0\xff" * 300_000 + b"\xd0", CORRUPT
    yield "fill_bytes.jpg", b"\xff\xd8" + b"\xff" * 5_000_000, TRUNCATED
    yield "sub_blocks.gif", bytes(gif[:13]) + b"\x21\xfe" + b"\x01x" * 2_000_000, CORRUPT


def _headers(rng: np.random.Generator) -> Iterator[Made]:
    good = picture(rng)
    jpeg = encoded(good, "JPEG")
    yield "junk_between_markers.jpg", jpeg[:20] + b"\x00\x12junk" + jpeg[20:], OK
    yield "padded_markers.jpg", jpeg[:2] + b"\xff" * 50 + jpeg[2:], OK
    restarts = encoded(good, "JPEG", restart_marker_blocks=2)
    yield "restarts_wrong.jpg", restarts.replace(b"\xff\xd1", b"\xff\xd5"), OK
    yield "two_frames.jpg", jpeg[:2] + jpeg[jpeg.index(b"\xff\xc0") :], ANY
    start = jpeg.index(b"\xff\xc0")
    sof = jpeg[start : start + 19]
    yield "two_headers.jpg", jpeg[:start] + sof + jpeg[start:], CORRUPT
    yield "twelve_bits.jpg", jpeg.replace(sof[:5], sof[:4] + b"\x0c"), UNSUPPORTED
    yield "lossless.jpg", jpeg.replace(sof[:4], b"\xff\xc3" + sof[2:4]), UNSUPPORTED
    yield "only_markers.jpg", b"\xff\xd8\xff\xd9", CORRUPT
    grey = b"".join(b"\x00" + bytes(range(40)) for _ in range(40))
    palette = png_chunk(b"PLTE", bytes(range(30)))
    yield "no_palette.png", png((40, 40), grey, colour=3), ANY
    yield "index_out_of_palette.png", png((40, 40), grey, colour=3, extra=palette), ANY
    yield "two_palettes.png", png((40, 40), grey, colour=3, extra=palette * 2), ANY
    no_pixels = png((40, 40), grey, colour=0)
    at = no_pixels.index(b"IDAT") - 4
    yield "no_pixels.png", no_pixels[:at] + png_chunk(b"IEND", b""), CORRUPT
    yield "bad_checksum.png", no_pixels[:20] + b"\x00\x00\x00\x29" + no_pixels[24:], CORRUPT
    yield "ios.png", no_pixels[:8] + png_chunk(b"CgBI", bytes(4)) + no_pixels[8:], UNSUPPORTED
    tiff = encoded(good, "TIFF")
    ifd = struct.unpack_from("<I", tiff, 4)[0]
    entries = struct.unpack_from("<H", tiff, ifd)[0]
    following = ifd + 2 + 12 * entries
    looped = tiff[:following] + struct.pack("<I", ifd) + tiff[following + 4 :]
    yield "ifd_loop.tif", looped, OK
    pages = encoded(good, "TIFF", save_all=True, append_images=[good] * 50)
    yield "pages_51.tif", pages, OK
    yield "ifd_outside.tif", tiff[:4] + b"\xff\xff\xff\x7f" + tiff[8:], TRUNCATED
    yield "ifd_empty.tif", tiff[:4] + struct.pack("<I", len(tiff)) + tiff[8:] + bytes(6), CORRUPT
    entry_at = {struct.unpack_from("<H", tiff, at)[0]: at for at in range(ifd + 2, following, 12)}
    tiled = bytearray(tiff)
    for old, new in ((278, 322), (284, 323)):
        struct.pack_into("<HHII", tiled, entry_at[old], new, 4, 1, 60_000)
    yield "tile_bomb.tif", bytes(tiled), TOO_MANY_PIXELS
    wide = bytearray(tiff)
    width_at = entry_at[256]
    wide[width_at + 8 : width_at + 12] = struct.pack("<I", 60_000)
    yield "wide.tif", bytes(wide), ("aspect", TOO_MANY_PIXELS)
    wide[width_at + 4 : width_at + 8] = struct.pack("<I", 2_000_000)
    yield "many_widths.tif", bytes(wide), CORRUPT
    yield "dng.tif", encoded(good, "TIFF", tiffinfo={254: 1}), UNSUPPORTED
    for name in ("tiff_lzw", "jpeg", "tiff_adobe_deflate", "packbits"):
        yield f"{name}.tif", encoded(good, "TIFF", compression=name), OK
    yield "bigtiff.tif", encoded(good, "TIFF", big_tiff=True), OK
    rle = bytearray(encoded(Image.new("P", (64, 64), 1), "BMP"))
    rle[30:34] = struct.pack("<I", 1)
    yield "rle_overflow.bmp", bytes(rle), ANY
    rle[18:26] = struct.pack("<ii", 3000, 3000)
    yield "rle_big.bmp", bytes(rle), TOO_MANY_PIXELS
    unknown = bytearray(rle)
    unknown[30:34] = struct.pack("<I", 77)
    yield "unknown_compression.bmp", bytes(unknown), CORRUPT


def _samples(rng: np.random.Generator) -> dict[str, bytes]:
    good = picture(rng, (160, 120))
    found = {kind: encoded(good, kind) for kind in FORMATS if kind != "AVIF"}
    found["progressive"] = encoded(good, "JPEG", progressive=True)
    found["palette"] = encoded(good.convert("P"), "PNG")
    found["lossless"] = encoded(good, "WebP", lossless=True)
    found["lzw"] = encoded(good, "TIFF", compression="tiff_lzw")
    if features.check("avif"):
        found["AVIF"] = encoded(good, "AVIF")
    return found


def _cuts(rng: np.random.Generator) -> Iterator[Made]:
    for kind, data in _samples(rng).items():
        for share in (0.01, 0.05, 0.1, 0.25, 0.4, 0.5, 0.6, 0.75, 0.9, 0.97):
            cut = data[: max(int(len(data) * share), 20)]
            yield f"cut_{kind}_{round(share * 100)}.bin", cut, TRUNCATED


def _flips(rng: np.random.Generator) -> Iterator[Made]:
    for kind, data in _samples(rng).items():
        for index in range(12):
            bits = np.unpackbits(np.frombuffer(data, np.uint8))
            share = (0.0001, 0.001, 0.01)[index % 3]
            bits ^= rng.random(len(bits)) < share
            yield f"flipped_{kind}_{index}.bin", np.packbits(bits).tobytes(), ANY


def _animations(rng: np.random.Generator) -> Iterator[Made]:
    frames = [picture(rng).rotate(20 * i) for i in range(4)]
    for kind in ("GIF", "PNG", "WebP", *(("AVIF",) if features.check("avif") else ())):
        data = encoded(frames[0], kind, save_all=True, append_images=frames[1:])
        yield f"animated.{kind.lower()}", data, OK
    yield "frames_10000.gif", gif_of_frames(10_000), OK
    yield "endless.gif", gif_of_frames(3)[:-1], OK


def _modes(rng: np.random.Generator) -> Iterator[Made]:
    good = picture(rng)
    for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "I;16"):
        source = good.convert("L") if mode == "I;16" else good
        yield f"mode_{mode.replace(';', '')}.png", encoded(source.convert(mode), "PNG"), OK
    for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "LAB", "F", "I"):
        source = good.convert("L") if mode in "FI" else good
        image = Image.new("LAB", (40, 40), (60, 20, 30)) if mode == "LAB" else source.convert(mode)
        yield f"mode_{mode}.tif", encoded(image, "TIFF"), OK
    yield "cmyk.jpg", encoded(good.convert("CMYK"), "JPEG"), OK
    grey = b"".join(b"\x00" + bytes(range(10)) for _ in range(40))
    for bits in (1, 2, 4):
        yield f"grey_{bits}bit.png", png((80 // bits, 40), grey, bits=bits, colour=0), OK
    deep = b"".join(b"\x00" + rng.bytes(40 * 6) for _ in range(40))
    yield "rgb_16bit.png", png((40, 40), deep, bits=16, colour=2), OK


def _exif(rng: np.random.Generator) -> Iterator[Made]:
    good = picture(rng)
    for orientation in range(1, 9):
        stored = turned_back(good, orientation)
        exif = exif_block(struct.pack("<H", orientation))
        options: dict[str, Any] = {"quality": 95, "subsampling": 0, "exif": exif}
        yield f"turned_{orientation}.jpg", encoded(stored, "JPEG", **options), OK
        yield f"turned_{orientation}.png", encoded(stored, "PNG", exif=exif), OK
    for name, exif in odd_exif(rng).items():
        yield f"exif_{name}.jpg", encoded(good, "JPEG", exif=exif), OK
        yield f"exif_{name}.png", encoded(good, "PNG", exif=exif), OK
        yield f"exif_{name}.webp", encoded(good, "WebP", exif=exif), OK
        if features.check("avif") and len(exif) >= 32:
            # Pillow parses the EXIF it is given to write, so it gets a good one, changed after.
            kept = exif_block(b"abc", kind=2, count=4, tag=0x010F).ljust(len(exif), b"\x01")
            data = encoded(good, "AVIF", exif=kept)
            yield f"exif_{name}.avif", data.replace(kept[6:], exif[6:]), OK


def turned_back(image: Image.Image, orientation: int) -> Image.Image:
    """What a camera stores when the picture should be seen as ``image``."""
    turns = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}
    return image if orientation == 1 else image.transpose(Image.Transpose(turns[orientation]))


def odd_exif(rng: np.random.Generator) -> dict[str, bytes]:
    """EXIF blocks that must count as orientation 1."""
    text = b"\x1b[31m<script>alert('x')</script>\x00\xff" * 1_500
    return {
        "zero": exif_block(b"\x00\x00"),
        "nine": exif_block(b"\x09\x00"),
        "65535": exif_block(b"\xff\xff"),
        "rational": exif_block(b"\x06\x00\x00\x00", kind=5),
        "text": exif_block(b"6\x00", kind=2, count=2),
        "two_values": exif_block(b"\x06\x00\x06\x00", count=2),
        "xss": exif_block(struct.pack("<I", 26), kind=2, count=len(text), tag=0x010E) + text,
        "outside": exif_block(b"\xff\xff\xff\x7f", kind=2, count=1 << 30, tag=0x010E),
        "broken": b"Exif\x00\x00II*\x00\xff\xff\xff\xff" + bytes(22),
        "junk": b"Exif\x00\x00" + rng.bytes(300),
        "short": b"Exif\x00\x00II",
    }


if __name__ == "__main__":
    for made in generate(Path(sys.argv[1])):
        sys.stdout.write(f"{made.path}: {' or '.join(made.expect)}\n")
