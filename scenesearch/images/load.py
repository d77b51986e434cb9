"""Photos of any origin to :class:`~scenesearch.core.types.Scene`: the one way in for pictures.

Takes paths, bytes, binary files, Pillow images and arrays, gives RGB pixels in the orientation
people see. Content decides, never the extension. What a photo costs is checked on its header
(:mod:`scenesearch.images.headers`), and the decoder gets no more of the file than the pixels of
its first picture need (:mod:`scenesearch.images.decode`). Safe to call from several threads.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from typing import Any, BinaryIO, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

from scenesearch.core.errors import ImageError
from scenesearch.core.limits import ImageLimits
from scenesearch.core.types import Image, OwnMask, Scene
from scenesearch.images.decode import decode, decode_open
from scenesearch.images.limits import check_length, check_size
from scenesearch.images.modes import copied_array
from scenesearch.images.sniff import extension_warning, require_supported, sniff
from scenesearch.images.transparency import is_flat

ImageSource: TypeAlias = (
    str
    | os.PathLike[str]
    | bytes
    | bytearray
    | memoryview
    | BinaryIO
    | PillowImage.Image
    | NDArray[Any]
)
"""Everything :func:`load_scene` takes."""

DEFAULT_LIMITS: Final = ImageLimits()

FLAT: Final = "it is of one flat colour"
"""The warning of a picture on which nothing is seen."""

_READ_BYTES: Final = 1 << 20


def load_scene(
    source: ImageSource,
    *,
    limits: ImageLimits = DEFAULT_LIMITS,
    name: str | None = None,
) -> Scene:
    """Read a photo.

    JPEG (of MPO, Ultra HDR and motion photos the first picture), PNG, WebP, GIF, BMP, TIFF and
    AVIF; HEIC with the extra ``scenesearch[heif]``. EXIF orientation is applied, transparency is
    put over white (over grey where the product is white itself), 16-bit grey is scaled, ICC
    profiles are ignored, of animations the first frame is taken; other EXIF data is never read.

    Args:
        source: a path; the bytes of a file; a binary file object, read from where it stands;
            a Pillow image, turned by the EXIF orientation it still carries; or an array of
            shape (height, width, 3), uint8, RGB, which is copied.
        limits: what is accepted.
        name: what messages call the photo; by default the path, or ``<bytes>`` and the like.

    Returns:
        The scene; its ``sha256`` is that of the encoded bytes, or, for Pillow images and arrays,
        of the shape and the pixels. Its ``warnings`` name what was odd but harmless.

    Raises:
        ImageError: the photo cannot be read or is refused. The message names it; ``code`` is one
            of ``empty_image``, ``unsupported_image``, ``too_many_bytes``, ``too_many_pixels``,
            ``too_many_scans``, ``image_too_small``, ``aspect``, ``truncated_image``,
            ``corrupt_image``, ``not_a_file``, ``not_found``, ``unreadable``, ``bad_array``.
        TypeError: ``source`` is none of the accepted types.
    """
    label = name if name is not None else _default_name(source)
    try:
        if isinstance(source, PillowImage.Image):
            return _scene_of_pixels(*decode_open(source, limits), label)
        if isinstance(source, np.ndarray):
            pixels = copied_array(source)
            check_size((pixels.shape[1], pixels.shape[0]), limits)
            return _scene_of_pixels(pixels, None, label)
        if isinstance(source, (bytes, bytearray, memoryview)):
            check_length(memoryview(source).nbytes, limits)
            data = bytes(source)
        elif isinstance(source, (str, os.PathLike)):
            data = _read_path(source, limits)
        elif hasattr(source, "read"):
            data = _read_stream(source, limits)
        else:
            raise TypeError(
                f"load_scene takes a path, bytes, a binary file object, a Pillow image or a "
                f"numpy array of shape (height, width, 3), got {type(source).__name__}"
            )
        return _scene_of_bytes(data, limits, label)
    except ImageError as error:
        # The one place that names the photo; the cause stays the decoder's own error.
        raise ImageError(f"{_shown(label)}: {error}", code=error.code) from error.__cause__


def _default_name(source: ImageSource) -> str:
    if isinstance(source, (str, os.PathLike)):
        return os.fsdecode(source)
    buffer = (bytes, bytearray, memoryview)
    for kind, name in (
        (buffer, "<bytes>"),
        (PillowImage.Image, "<image>"),
        (np.ndarray, "<array>"),
    ):
        if isinstance(source, kind):
            return name
    stream_name = getattr(source, "name", None)
    return stream_name if isinstance(stream_name, str) and stream_name else "<stream>"


def _shown(label: str) -> str:
    """The name on one line of at most 200 printable characters."""
    short = label if len(label) <= 200 else f"{label[:120]}...{label[-77:]}"
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape", "replace").decode()
        for char in short
    )


def _read_path(path: str | os.PathLike[str], limits: ImageLimits) -> bytes:
    try:
        # Checked before opening, since opening a device can do things, and again after it, since
        # the name may have come to mean another file in between. O_NONBLOCK: never wait for a FIFO.
        _require_regular(os.stat(path), limits)  # noqa: PTH116 - one object for str and PathLike
        flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
        with open(os.open(path, flags), "rb", buffering=0) as file:  # noqa: PTH123
            _require_regular(os.fstat(file.fileno()), limits)
            return _read_stream(file, limits)
    except (OSError, ValueError) as error:
        raise _unopened(path, error) from error


def _unopened(path: str | os.PathLike[str], error: OSError | ValueError) -> ImageError:
    number = error.errno if isinstance(error, OSError) else None
    if number in (errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG):
        is_url = os.fsdecode(path).startswith(("http://", "https://", "data:"))
        advice = "fetch or decode it yourself and pass the bytes" if is_url else "check the path"
        return ImageError(f"there is no such file; {advice}", code="not_found")
    return ImageError(
        f"the file cannot be opened ({os.strerror(number) if number else error}), expected a "
        f"readable file; check the path and its permissions",
        code="not_a_file" if number == errno.ELOOP else "unreadable",
    )


def _require_regular(status: os.stat_result, limits: ImageLimits) -> None:
    mode = status.st_mode
    if stat.S_ISREG(mode):
        if status.st_size > limits.max_bytes:
            check_length(status.st_size, limits)
        return
    kinds = {
        stat.S_IFDIR: "a directory",
        stat.S_IFIFO: "a named pipe",
        stat.S_IFSOCK: "a socket",
        stat.S_IFCHR: "a device",
        stat.S_IFBLK: "a device",
    }
    raise ImageError(
        f"it is {kinds.get(stat.S_IFMT(mode), 'not a file')}, expected a regular file; "
        f"pass the path of a photo, or an open binary file",
        code="not_a_file",
    )


def _read_stream(stream: Any, limits: ImageLimits) -> bytes:
    """Everything from where the stream stands, at most one byte more than is allowed."""
    parts: list[bytes] = []
    room = limits.max_bytes + 1
    try:
        while room > 0:
            part = stream.read(min(_READ_BYTES, room))
            if isinstance(part, str):
                raise TypeError("load_scene got a text file, expected one opened with mode 'rb'")
            if not part:
                break
            parts.append(bytes(part))
            room -= len(part)
    except (OSError, ValueError, EOFError) as error:
        raise ImageError(
            f"reading it failed ({error}); expected an open, readable binary file",
            code="unreadable",
        ) from error
    data = b"".join(parts)
    check_length(len(data), limits, at_least=True)
    return data


def _scene_of_bytes(data: bytes, limits: ImageLimits, label: str) -> Scene:
    check_length(len(data), limits)
    kind = sniff(data)
    require_supported(kind)
    (pixels, own), warnings = decode(kind, data, limits)
    odd = extension_warning(label, kind)
    if odd is not None:
        warnings = (odd, *warnings)
    warnings += _flat(pixels)
    return Scene(pixels, hashlib.sha256(data).hexdigest(), label, warnings, own)


def _flat(pixels: Image) -> tuple[str, ...]:
    return (FLAT,) if is_flat(pixels) else ()


def _scene_of_pixels(pixels: Image, own: OwnMask | None, label: str) -> Scene:
    digest = hashlib.sha256(f"{pixels.shape[1]}x{pixels.shape[0]} RGB ".encode())
    digest.update(np.ascontiguousarray(pixels).data)
    return Scene(pixels, digest.hexdigest(), label, _flat(pixels), own)
