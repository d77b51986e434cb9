"""The pixels of an encoded photo, by Pillow (and pillow-heif), as RGB in the displayed orientation.

Takes bytes of a known kind, gives an array. The decoder gets no more of the file than the pixels
of its first picture need, and only after the header passed the limits.
"""

from __future__ import annotations

import importlib
import re
import struct
import zlib
from io import BytesIO
from typing import Final

from PIL import Image as PillowImage
from PIL import ImageFile

from scenesearch.core.errors import ImageError
from scenesearch.core.limits import ImageLimits
from scenesearch.core.types import Image, OwnMask
from scenesearch.images.headers import read_header
from scenesearch.images.limits import Header, broken, check_size, cut_off
from scenesearch.images.modes import to_rgb
from scenesearch.images.tiff import exif_orientation

# What decoders raise on bad data. ``Warning`` is there for processes that turn warnings into
# errors, ``MemoryError`` because Pillow raises it for sizes it cannot represent.
_DECODER_ERRORS: Final = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    BufferError,
    EOFError,
    LookupError,
    MemoryError,
    OSError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
    Warning,
    struct.error,
    zlib.error,
    PillowImage.DecompressionBombError,
)
_TURNS: Final = {
    2: PillowImage.Transpose.FLIP_LEFT_RIGHT,
    3: PillowImage.Transpose.ROTATE_180,
    4: PillowImage.Transpose.FLIP_TOP_BOTTOM,
    5: PillowImage.Transpose.TRANSPOSE,
    6: PillowImage.Transpose.ROTATE_270,
    7: PillowImage.Transpose.TRANSVERSE,
    8: PillowImage.Transpose.ROTATE_90,
}
_PLUGINS: Final = {
    "JPEG": "Jpeg",
    "PNG": "Png",
    "WebP": "WebP",
    "GIF": "Gif",
    "BMP": "Bmp",
    "TIFF": "Tiff",
}
"""What Pillow calls each format in the names of its modules and classes."""

# An item entry (ISO/IEC 23008-12) of type Exif: version, flags, id, protection come between.
_EXIF_ITEM: Final = re.compile(rb"(infe.{8}(?:..)?)Exif", re.DOTALL)


Pixels = tuple[Image, OwnMask | None]
"""A picture, and its product where it is a transparent cutout."""


def decode(kind: str, data: bytes, limits: ImageLimits) -> tuple[Pixels, tuple[str, ...]]:
    """Decode the first picture of a photo.

    Args:
        kind: one of :data:`scenesearch.images.sniff.SUPPORTED`.
        data: the whole file.
        limits: what is accepted; checked before the pixels are decoded.

    Returns:
        Pixels of shape (height, width, 3), uint8, in the displayed orientation, and warnings.

    Raises:
        ImageError: the photo is broken, cut off, or outside the limits.
    """
    warnings: list[str] = []
    if kind in ("AVIF", "HEIC"):
        picture, header = _decode_iso(kind, data, limits)
    else:
        header = read_header(kind, data, limits)
        picture = _decode(kind, header, limits, warnings)
    if header.further:
        warnings.append(f"it holds {header.further}, only the first picture was used")
    return upright_rgb(picture, header.orientation), tuple(warnings)


def decode_open(picture: PillowImage.Image, limits: ImageLimits) -> Pixels:
    """The pixels of a Pillow image that somebody else opened.

    Raises:
        ImageError: it is outside the limits, closed, or its file is broken.
    """
    check_size(picture.size, limits)
    try:
        picture.load()
    except _DECODER_ERRORS as error:
        raise (
            cut_off("inside its picture")
            if "truncated" in str(error)
            else broken(f"Pillow cannot decode it ({_first_line(error)})")
        ) from error
    exif = picture.info.get("exif")
    return upright_rgb(picture, exif_orientation(exif) if isinstance(exif, bytes) else 1)


def upright_rgb(picture: PillowImage.Image, orientation: int) -> Pixels:
    """The pixels of a decoded picture, turned by its EXIF orientation (1 to 8)."""
    turn = _TURNS.get(orientation)
    try:
        return to_rgb(picture if turn is None else picture.transpose(turn))
    except _DECODER_ERRORS as error:
        raise broken(f"its colours (mode {picture.mode}) cannot be converted") from error


def _open(kind: str, encoded: bytes) -> ImageFile.ImageFile:
    """A Pillow image whose pixels are not decoded yet.

    The format's own class rather than ``Image.open``: that one looks at all formats, follows the
    index of an MPO, and warns by a global pixel limit of its own.
    """
    name = _PLUGINS[kind]
    plugin = importlib.import_module(f"PIL.{name}ImagePlugin")
    return getattr(plugin, f"{name}ImageFile")(BytesIO(encoded))


def _decode(
    kind: str, header: Header, limits: ImageLimits, warnings: list[str]
) -> PillowImage.Image:
    """The pixels as Pillow has them, before orientation."""
    picture: ImageFile.ImageFile | None = None
    try:
        picture = _open(kind, header.clean)
        # The limits were checked on what our reader saw; the decoder must have seen the same.
        if picture.size != header.size:
            raise ValueError(
                "{} x {} pixels instead of {} x {}".format(*picture.size, *header.size)
            )
        scale = _scaled(picture, limits)
        picture.load()
        if scale > 1:
            warnings.append(
                "it has {} x {} pixels and was read at 1/{} of its sides, {} x {}".format(
                    *header.size, scale, *picture.size
                )
            )
    except PillowImage.DecompressionBombError as error:
        raise ImageError(
            f"it has {header.size[0]} x {header.size[1]} pixels, more than Pillow's own limit; "
            f"scale it down, or raise PIL.Image.MAX_IMAGE_PIXELS too",
            code="too_many_pixels",
        ) from error
    except _DECODER_ERRORS as error:
        truncated = header.ends_early or "truncated" in str(error)
        if not truncated:
            raise broken(f"the {kind} decoder stopped ({_first_line(error)})") from error
        rescued = _rescue(kind, header, picture, limits) if limits.allow_truncated else None
        if rescued is None:
            raise cut_off("inside its picture") from error
        warnings.append("it was cut off, a part of the picture is missing")
        return rescued
    if header.ends_early:
        warnings.append("the file ends early, after the last pixel")
    return picture


def _scaled(picture: ImageFile.ImageFile, limits: ImageLimits) -> int:
    """Have a large JPEG scaled as it is decoded; the whole number its sides are divided by.

    Scaling in the frequencies costs no quality that a smaller picture could have, and the full
    picture is never held.
    """
    width, height = picture.size
    for scale in (1, 2, 4, 8):
        if -(-width // scale) * -(-height // scale) <= limits.max_pixels:
            break
    if scale > 1:
        picture.draft(None, (width // scale, height // scale))
        check_size(picture.size, limits)
    return scale


def _rescue(
    kind: str, header: Header, picture: ImageFile.ImageFile | None, limits: ImageLimits
) -> PillowImage.Image | None:
    """What was decoded of a file that was cut off, or None.

    Not with ``ImageFile.LOAD_TRUNCATED_IMAGES``: that is one switch for all threads.
    """
    try:
        if kind == "JPEG":
            # An end marker makes libjpeg finish, with grey for what it did not get.
            picture = _open(kind, header.clean + b"\xff\xd9")
            _scaled(picture, limits)
        elif picture is None or picture.size != header.size:
            return None
        else:
            # Nothing is left to decode, so what is there already counts as loaded.
            picture.tile = []
        picture.load()
    except _DECODER_ERRORS:
        return None
    return picture


def _decode_iso(kind: str, data: bytes, limits: ImageLimits) -> tuple[PillowImage.Image, Header]:
    """AVIF and HEIC: the libraries read the size themselves, before they decode."""
    opener = _open_avif if kind == "AVIF" else _open_heif
    try:
        picture, orientation, frames = opener(data)
        check_size(picture.size, limits)
        picture.load()
    except _DECODER_ERRORS as error:
        # The decoders do not tell a broken file from a short one; the box lengths do.
        if _ends_inside_a_box(data):
            raise cut_off("inside its picture") from error
        raise broken(f"the {kind} decoder stopped ({_first_line(error)})") from error
    further = f"{frames - 1:,} further frames" if frames > 1 else ""
    return picture, Header(picture.size, b"", orientation, further)


def _open_avif(data: bytes) -> tuple[ImageFile.ImageFile, int, int]:
    from PIL import features

    if not features.check("avif"):
        raise ImageError(
            "it is AVIF, which this build of Pillow cannot read; install a Pillow wheel of "
            "version 11.3 or later from PyPI, or convert the photo to JPEG",
            code="unsupported_image",
        )
    from PIL.AvifImagePlugin import AvifImageFile

    # Pillow parses the EXIF item as it opens the file. The orientation of an AVIF is in its own
    # properties, so the item is renamed to something that no reader looks for.
    picture = AvifImageFile(BytesIO(_EXIF_ITEM.sub(rb"\1skip", data)))
    return picture, exif_orientation(picture.info.get("exif", b"")), picture.n_frames


def _open_heif(data: bytes) -> tuple[ImageFile.ImageFile, int, int]:
    try:
        import pillow_heif
    except ImportError as error:
        raise ImageError(
            "it is HEIC, which needs an optional package; install it with "
            "`pip install 'scenesearch[heif]'`, or convert the photo to JPEG",
            code="unsupported_image",
        ) from error
    # libheif applies the rotation itself, and the plugin says so by an orientation of 1.
    picture = pillow_heif.HeifImageFile(BytesIO(data))
    return picture, 1, getattr(picture, "n_frames", 1)


def _ends_inside_a_box(data: bytes) -> bool:
    """Whether the last top-level box of an ISO media file (ISO/IEC 14496-12, 4.2) is incomplete."""
    position = 0
    for _ in range(1_000):
        if position + 8 > len(data):
            return position != len(data)
        (length,) = struct.unpack_from(">I", data, position)
        if length == 1 and position + 16 <= len(data):
            (length,) = struct.unpack_from(">Q", data, position + 8)
        if length < 8:  # 0: up to the end of the file
            return False
        position += length
    return False


def _first_line(error: BaseException) -> str:
    lines = str(error).splitlines()
    return lines[0][:120] if lines else type(error).__name__
