"""What a file is, by its content; the extension only earns a warning.

Takes the first bytes and a name, gives names for people. Reads nothing beyond the magic numbers.
"""

from __future__ import annotations

from typing import Final

from scenesearch.core.errors import ImageError

SUPPORTED: Final = ("JPEG", "PNG", "WebP", "GIF", "BMP", "TIFF", "AVIF", "HEIC")

_EXTENSIONS: Final = {
    "JPEG": ("jpg", "jpeg", "jpe", "jfif", "mpo"),
    "PNG": ("png", "apng"),
    "WebP": ("webp",),
    "GIF": ("gif",),
    "BMP": ("bmp", "dib"),
    "TIFF": ("tif", "tiff"),
    "AVIF": ("avif", "avifs"),
    "HEIC": ("heic", "heif", "hif"),
    "another format": ("svg", "pdf", "psd", "jxl", "jp2", "ico", "tga", "eps", "txt", "html"),
}
_FORMAT_OF: Final = {ext: name for name, exts in _EXTENSIONS.items() for ext in exts}

_MAGIC: Final[tuple[tuple[bytes, str], ...]] = (
    (b"\xff\xd8\xff", "JPEG"),
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"GIF87a", "GIF"),
    (b"GIF89a", "GIF"),
    (b"II*\x00", "TIFF"),
    (b"MM\x00*", "TIFF"),
    (b"II+\x00", "TIFF"),
    (b"MM\x00+", "TIFF"),
    (b"%PDF-", "PDF"),
    (b"%!PS", "EPS or PostScript"),
    (b"\xc5\xd0\xd3\xc6", "EPS or PostScript"),
    (b"8BPS", "Photoshop (PSD)"),
    (b"\xff\x0a", "JPEG XL"),
    (b"\x00\x00\x00\x0cJXL \r\n\x87\n", "JPEG XL"),
    (b"\x00\x00\x00\x0cjP  \r\n\x87\n", "JPEG 2000"),
    (b"\xff\x4f\xff\x51", "JPEG 2000"),
    (b"\x8bJNG\r\n\x1a\n", "JNG"),
    (b"\x8aMNG\r\n\x1a\n", "MNG"),
    (b"icns", "ICNS icon"),
    (b"\x00\x00\x01\x00", "Windows icon (ICO)"),
    (b"DDS ", "DDS texture"),
    (b"SIMPLE  =", "FITS"),
    (b"qoif", "QOI"),
    (b"FORM", "IFF"),
    (b"PK\x03\x04", "ZIP archive (or an Office document)"),
    (b"PK\x05\x06", "ZIP archive (or an Office document)"),
    (b"\x1f\x8b", "gzip archive"),
    (b"7z\xbc\xaf\x27\x1c", "7-Zip archive"),
    (b"Rar!\x1a\x07", "RAR archive"),
    (b"\x7fELF", "ELF program"),
    (b"MZ", "Windows program"),
    (b"\x1aE\xdf\xa3", "Matroska or WebM video"),
    (b"OggS", "Ogg media"),
    (b"ID3", "MP3 audio"),
    (b"SQLite format 3\x00", "SQLite database"),
)
_AVIF_BRANDS: Final = {b"avif", b"avis"}
_HEIC_BRANDS: Final = {
    *(b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"),
    *(b"mif1", b"msf1"),  # containers that do not name their codec
}
_BMP_HEADERS: Final = {12, 40, 52, 56, 64, 108, 124}


def sniff(data: bytes) -> str:
    """What the bytes are, by their content.

    Returns:
        One of :data:`SUPPORTED`, or a name for people of what it is instead.

    >>> sniff(b"%PDF-1.7 ...")
    'PDF'
    """
    for magic, name in _MAGIC:
        if data.startswith(magic):
            raw = name == "TIFF" and data[8:10] == b"CR"
            return "a camera raw file (CR2)" if raw else name
    if data[:4] == b"RIFF":
        return {b"WEBP": "WebP", b"AVI ": "AVI video", b"WAVE": "WAV audio"}.get(
            data[8:12], "RIFF media"
        )
    if data[:2] == b"BM" and int.from_bytes(data[14:18], "little") in _BMP_HEADERS:
        return "BMP"
    if data[4:8] == b"ftyp":
        return _iso_media(data)
    return _text_kind(data[:1024])


def require_supported(kind: str) -> None:
    """Refuse what is not a photo format of this package.

    Raises:
        ImageError: ``unsupported_image``, naming what was found.
    """
    if kind not in SUPPORTED:
        raise ImageError(
            f"its content is {kind}, expected one of {', '.join(SUPPORTED)}; "
            f"convert it to JPEG or PNG",
            code="unsupported_image",
        )


def extension_warning(name: str, kind: str) -> str | None:
    """A sentence where the extension of ``name`` says another format than the content."""
    stem, dot, extension = name.rpartition(".")
    claimed = _FORMAT_OF.get(extension.lower()) if stem and dot else None
    if claimed is None or claimed == kind:
        return None
    return f"the extension .{extension} says {claimed}, the content is {kind}; the content was used"


def _iso_media(data: bytes) -> str:
    box = data[8 : min(int.from_bytes(data[:4], "big"), 512)]
    brands = {box[i : i + 4] for i in range(0, len(box), 4) if i != 4}  # i == 4: minor version
    if brands & _AVIF_BRANDS:
        return "AVIF"
    if brands & _HEIC_BRANDS:
        return "HEIC"
    return {b"qt  ": "QuickTime video", b"crx ": "a camera raw file (CR3)"}.get(
        data[8:12], "MP4 video"
    )


def _text_kind(head: bytes) -> str:
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "text"
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if start.startswith((b"<svg", b"<?xml", b"<!--")) and b"<svg" in start:
        return "SVG"
    if start.startswith((b"<!doctype html", b"<html", b"<head", b"<body", b"<script")):
        return "HTML"
    if start.startswith(b"<?xml"):
        return "XML"
    if b"\x00" in head:
        return "unknown"
    try:
        # The cut at 1024 bytes may go through a character of up to four bytes.
        (head[:-3] if len(head) == 1024 else head).decode("utf-8")
    except UnicodeDecodeError:
        return "unknown"
    return "text"
