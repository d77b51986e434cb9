"""Text manifests: which encoding a file has, and its lines, bounded in memory.

The encoding is UTF-8 or what the byte order mark says, checked to the end. Nothing else is guessed:
the same bytes are valid in many single-byte encodings, and a wrong guess stores wrong names without
an error. A guess is only made for the message.
"""

from __future__ import annotations

import codecs
import io
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from scenesearch.catalog.compressed import open_bytes
from scenesearch.catalog.records import MAX_RECORD_CHARS, CellError, shown
from scenesearch.core.errors import CatalogError

_CHUNK_BYTES = 1 << 20
_SAMPLE_BYTES = 8 << 10
# The longer mark first: UTF-32 LE starts with the mark of UTF-16 LE.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# What spreadsheets and shop systems write; the whole list of codecs guesses worse on short texts.
_LIKELY = (
    "cp1252",
    "cp1250",
    "cp1251",
    "cp1253",
    "cp1254",
    "cp1255",
    "cp1256",
    "cp932",
    "euc_jp",
    "gb18030",
    "big5",
    "euc_kr",
    "koi8_r",
    "mac_roman",
)
_OTHER_FORMATS = (
    (b"PAR1", "a Parquet file; give it the ending .parquet"),
    (b"PK\x03\x04", "a ZIP archive or an Excel workbook; give it the ending .zip or .xlsx"),
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook; save it as CSV"),
    (b"\x1f\x8b", "gzip; give it the ending .gz"),
    (b"\x28\xb5\x2f\xfd", "Zstandard; unpack it first"),
    (b"SQLite format 3", "an SQLite database; export the table as CSV"),
    (b"%PDF", "a PDF; save the table as CSV"),
)


def text_kind(path: Path, encoding: str | None) -> str:
    """``xml``, ``json`` or ``""``: what the first character that is no space says."""
    with open_bytes(path) as stream:
        start = stream.read(4096)
    codec = encoding or next((codec for mark, codec in _MARKS if start.startswith(mark)), "utf-8")
    try:
        text = start.decode(codec, "ignore").lstrip("\ufeff \t\r\n")
    except (LookupError, ValueError):
        return ""  # said by who opens it
    return {"<": "xml", "{": "json", "[": "json"}.get(text[:1], "")


def check_encoding(path: Path, encoding: str | None) -> str:
    """The name of a codec that reads the whole file.

    Args:
        path: a regular file.
        encoding: what the caller says it is; None to go by the byte order mark, else UTF-8.

    Raises:
        CatalogError: the codec is unknown, a byte does not fit (the message names the first one,
            its line and a likely encoding), or the file has NUL characters.
    """
    with open_bytes(path) as stream:
        start = stream.read(16)
    for magic, name in _OTHER_FORMATS:
        if start.startswith(magic):
            raise CatalogError(
                f"{path} is not text but {name}; expected a CSV or JSONL file",
                code="unsupported_catalog",
            )
    marked = next((codec for mark, codec in _MARKS if start.startswith(mark)), "utf-8")
    codec = marked if encoding is None else _codec(encoding)
    decoder = codecs.getincrementaldecoder(codec)("strict")
    offset = 0
    lines = 1
    with open_bytes(path) as stream:
        final = False
        while not final:
            chunk = stream.read(_CHUNK_BYTES)
            final = not chunk
            try:
                text = decoder.decode(chunk, final)
            except UnicodeDecodeError as error:
                # The decoder puts bytes it held back before the chunk.
                into = error.start - (len(error.object) - len(chunk))
                raise _bad_byte(path, codec, offset + into, guess=encoding is None) from error
            except UnicodeError as error:
                raise CatalogError(
                    f"{path} cannot be read as {codec}: {error}; save it as UTF-8",
                    code="bad_encoding",
                ) from error
            if "\0" in text:
                line = lines + text.count("\n", 0, text.index("\0"))
                raise CatalogError(
                    f"{path} has a NUL character on line {line}: expected text; if it is UTF-16 "
                    f"without a byte order mark, say --encoding utf-16-le",
                    code="nul_bytes",
                )
            lines += text.count("\n")
            offset += len(chunk)
    return codec


def _codec(encoding: str) -> str:
    try:
        # Also refuses codecs that are not about text, such as "hex".
        io.TextIOWrapper(io.BytesIO(), encoding=encoding).close()
    except (LookupError, ValueError) as error:
        raise CatalogError(
            f"unknown encoding {shown(encoding)}: expected a name such as utf-8, cp1252, latin-1, "
            f"utf-16 or shift_jis",
            code="unknown_encoding",
        ) from error
    return "utf-8-sig" if codecs.lookup(encoding).name == "utf-8" else encoding


def _bad_byte(path: Path, codec: str, offset: int, *, guess: bool) -> CatalogError:
    with path.open("rb") as stream:
        line = 1
        left = offset
        while left > 0 and (chunk := stream.read(min(left, _CHUNK_BYTES))):
            line += chunk.count(b"\n")
            left -= len(chunk)
        byte = stream.read(1)
        start = max(0, offset - _SAMPLE_BYTES // 2)
        stream.seek(start)
        sample = stream.read(_SAMPLE_BYTES)
    got = f"byte 0x{byte[0]:02x}" if byte else "the end of the file"
    fix = "save it as UTF-8, or say its --encoding"
    if guess and not sample[: offset - start].isascii():
        fix = (
            "what stands before it does, so the file mixes encodings or is cut off; repair it there"
        )
    elif guess and (likely := _likely(sample)):
        fix = f"it may be {likely}: save it as UTF-8, or say --encoding {likely}"
    return CatalogError(
        f"{path} is not {codec}: {got} at offset {offset:,} (line {line:,}) does not fit; {fix}",
        code="bad_encoding",
    )


def _likely(sample: bytes) -> str | None:
    from charset_normalizer import from_bytes

    best = from_bytes(sample, cp_isolation=list(_LIKELY)).best()
    if best is None:
        return None
    # Of codecs that read the sample alike, the first of the list is the most common.
    alike = {best.encoding, *best.could_be_from_charset}
    return next((codec for codec in _LIKELY if codec in alike), best.encoding)


class Lines(Iterator[str]):
    """Lines with their ends, as ``csv.reader`` wants them.

    Several lines can make one record. :meth:`begin` starts a record, :meth:`retry` gives all of
    its lines but the first back, so that a stray quote costs one row and not all that follow.

    Args:
        stream: opened with the ``newline`` that suits the format.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._next_number = 1
        self._again: deque[tuple[int, str | None]] = deque()
        self._taken: list[tuple[int, str | None]] = []
        self._chars = 0

    @property
    def number(self) -> int:
        """The number, from 1, of the line the record starts on."""
        return self._taken[0][0] if self._taken else self._next_number

    @property
    def text(self) -> str:
        """The first line of the record, empty where it was too long to keep."""
        return (self._taken[0][1] or "") if self._taken else ""

    def begin(self) -> None:
        """Start a record with the line that comes next."""
        self._taken.clear()
        self._chars = 0

    def each(self) -> Iterator[str | CellError]:
        """Every line as a record of its own; an error for one that is too long."""
        while True:
            self.begin()
            try:
                yield next(self)
            except StopIteration:
                return
            except CellError as error:
                yield error

    def retry(self) -> None:
        """Give the lines of the record back, but not its first, and start another."""
        self._again.extendleft(reversed(self._taken[1:]))
        self.begin()

    def __next__(self) -> str:
        """The next line of the record.

        Raises:
            CellError: ``row_too_long``, with the line skipped.
        """
        number, line = self._again.popleft() if self._again else self._read()
        self._taken.append((number, line))
        if line is not None:
            self._chars += len(line)
            if self._chars <= MAX_RECORD_CHARS:
                return line
        raise CellError(
            "row_too_long",
            f"the row has more than {MAX_RECORD_CHARS:,} characters: expected fewer; shorten it",
        )

    def _read(self) -> tuple[int, str | None]:
        line: str | None = self._stream.readline(MAX_RECORD_CHARS + 1)
        if not line:
            raise StopIteration
        number = self._next_number
        self._next_number += 1
        if len(line) > MAX_RECORD_CHARS and not line.endswith(("\n", "\r")):
            # Walk to the end of the line in pieces; none of it is kept.
            line = None
            while piece := self._stream.readline(1 << 16):
                if piece.endswith(("\n", "\r")):
                    break
        return number, line
