"""Bad and odd manifests with what each must give. Deterministic: the only random draws are seeded.

Every case is read in a folder with the files of :data:`PHOTOS`, ``link.jpg`` (to ``a.jpg``),
``out.jpg`` (a link out of the folder), ``loop.jpg`` (a link to itself) and ``pipe.jpg`` (a FIFO).
"""

from __future__ import annotations

import gzip
import random
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

PHOTOS = ("a.jpg", "b.jpg", "sub/c.jpg", "with space.jpg", "ä.jpg", "%2e%2e", "~tilde.jpg")
SEED = 20240614
HEAD = "id,image,title\n"
GOOD = "1,a.jpg,one\n"
LAST = "9,b.jpg,nine\n"

Error = tuple[int, str | None, str]
"""Row, column, code."""


class Case(NamedTuple):
    """One file and what reading it must give.

    Attributes:
        name: for the test report.
        file: its name.
        data: its bytes.
        refused: code of the CatalogError for the whole file; then nothing else matters.
        ids: of the items, in order.
        errors: of the rows, in order.
        lost: cells that are left out of rows that give an item.
        options: for ``read_catalog``.
    """

    name: str
    file: str
    data: bytes
    refused: str | None = None
    ids: tuple[str, ...] = ()
    errors: tuple[Error, ...] = ()
    lost: tuple[Error, ...] = ()
    options: Mapping[str, Any] = {}


def cases() -> list[Case]:
    """Encodings, shapes, headers and ids of CSV; the files beside this one have the rest."""
    return [
        *_encodings(),
        *_other_formats(),
        *_csv_shapes(),
        *_headers(),
        *_ids(),
        *_duplicates(),
    ]


def csv_case(
    name: str, text: str, encoding: str = "utf-8", file: str = "c.csv", **rest: Any
) -> Case:
    return Case(name, file, text.encode(encoding), **rest)


def bad_row(name: str, header: str, row: str, column: str | None, code: str) -> Case:
    """A bad row between two good ones, which are kept; it is too where only a cell is bad."""
    width = header.count(",") + 1
    pad = "," * (width - 2)
    text = f"{header}\nfirst,a.jpg{pad}\n{row}\nlast,b.jpg{pad}\n"
    if column in ("id", "image", None):
        return csv_case(name, text, ids=("first", "last"), errors=((3, column, code),))
    ids = ("first", row.split(",", maxsplit=1)[0], "last")
    return csv_case(name, text, ids=ids, lost=((3, column, code),))


def _encodings() -> Iterator[Case]:
    umlaut = HEAD + "1,a.jpg,Stühle für Gäste\n" + LAST
    both = ("1", "9")
    yield csv_case("utf-8 with a byte order mark", umlaut, "utf-8-sig", ids=both)
    yield csv_case("utf-8 with two byte order marks", "\ufeff" + umlaut, "utf-8-sig", ids=both)
    yield csv_case("utf-16 with a byte order mark", umlaut, "utf-16", ids=both)
    yield Case("utf-16 BE with a mark", "c.csv", b"\xfe\xff" + umlaut.encode("utf-16-be"), ids=both)
    yield csv_case("utf-32 with a byte order mark", umlaut, "utf-32", ids=both)
    for codec in ("latin-1", "cp1252", "iso8859_15"):
        yield csv_case(f"{codec} is refused", umlaut, codec, refused="bad_encoding")
    yield csv_case("cp437 is refused", umlaut, "cp437", refused="bad_encoding")
    yield csv_case(
        "shift_jis is refused", HEAD + "1,a.jpg,椅子\n" * 9, "cp932", refused="bad_encoding"
    )
    yield csv_case(
        "koi8-r is refused", HEAD + "1,a.jpg,стул\n" * 9, "koi8-r", refused="bad_encoding"
    )
    mixed = umlaut.encode() + "7,a.jpg,Stühle\n".encode("latin-1")
    yield Case("utf-8 and latin-1 mixed", "c.csv", mixed, refused="bad_encoding")
    for codec in ("cp1252", "latin-1"):
        yield csv_case(f"{codec} forced", umlaut, codec, ids=both, options={"encoding": codec})
    yield csv_case(
        "utf-8 forced on a mark", umlaut, "utf-8-sig", ids=both, options={"encoding": "utf8"}
    )
    yield csv_case(
        "utf-16-le forced without a mark",
        umlaut,
        "utf-16-le",
        ids=both,
        options={"encoding": "utf-16-le"},
    )
    for codec in ("no-such", "hex", "rot13", "", "a\0b"):
        options = {"encoding": codec}
        yield csv_case(f"encoding {codec!r}", umlaut, refused="unknown_encoding", options=options)
    yield csv_case("ascii forced", umlaut, refused="bad_encoding", options={"encoding": "ascii"})
    yield Case("cut inside a character", "c.csv", umlaut.encode()[:26], refused="bad_encoding")
    yield Case(
        "overlong NUL", "c.csv", (HEAD + GOOD).encode() + b"\xc0\x80", refused="bad_encoding"
    )
    yield Case(
        "encoded surrogate",
        "c.csv",
        (HEAD + GOOD).encode() + b"\xed\xa0\x80",
        refused="bad_encoding",
    )
    yield csv_case("a NUL in a cell", HEAD + "1,a.jpg,a\0b\n", refused="nul_bytes")
    yield csv_case("utf-16 without a mark", HEAD + GOOD, "utf-16-le", refused="nul_bytes")
    noise = random.Random(SEED).randbytes(5000)
    yield Case("random bytes", "c.csv", b"\x80" + noise, refused="bad_encoding")
    yield Case("random bytes as JSONL", "c.jsonl", b"\x80" + noise, refused="bad_encoding")
    yield Case("zeros", "c.csv", bytes(5000), refused="nul_bytes")


def _other_formats() -> Iterator[Case]:
    for name, magic in (
        ("a ZIP archive", b"PK\x03\x04"),
        ("gzip", b"\x1f\x8b\x08"),
        ("Parquet", b"PAR1"),
        ("an old Excel workbook", b"\xd0\xcf\x11\xe0"),
        ("a PDF", b"%PDF-1.7"),
        ("SQLite", b"SQLite format 3\0"),
        ("Zstandard", b"\x28\xb5\x2f\xfd"),
    ):
        yield Case(f"{name} named csv", "c.csv", magic + bytes(100), refused="unsupported_catalog")
    data = (HEAD + GOOD).encode()
    for suffix in ("tar", "tar.gz", "tgz", "xml", "rss", "csv.gz", "xml.gz", "jsonl.gz"):
        yield Case(f"a .{suffix} of text", f"c.{suffix}", data, refused="bad_catalog")
    packed = gzip.compress((HEAD + GOOD + LAST).encode())
    yield Case("gzip named so", "c.csv.gz", packed, ids=("1", "9"))
    yield Case("gzip cut off", "c.csv.gz", packed[:-12], refused="bad_catalog")
    bomb = gzip.compress(HEAD.encode() + b" " * 50_000_000)
    yield Case("gzip that grows", "c.csv.gz", bomb, refused="bad_catalog")
    for suffix in ("zip", "xlsx", "xls", "yaml", "parquet.gz", "gz", "jpg", "pkl"):
        archive = suffix in ("zip", "xlsx")
        refused = "bad_catalog" if archive else "unsupported_catalog"
        yield Case(f"a .{suffix} file", f"c.{suffix}", data, refused=refused)
    yield Case("no suffix", "catalog", (HEAD + GOOD).encode(), refused="unsupported_catalog")


def _csv_shapes() -> Iterator[Case]:
    both = ("1", "9")
    good = HEAD + GOOD + LAST
    for name, delimiter in (("semicolons", ";"), ("tabs", "\t"), ("bars", "|")):
        yield csv_case(name, good.replace(",", delimiter), ids=both)
    yield csv_case("a tsv file", good.replace(",", "\t"), file="c.tsv", ids=both)
    yield csv_case("a txt file", good, file="c.txt", ids=both)
    yield csv_case("an upper case suffix", good, file="C.CSV", ids=both)
    odd = good.replace(",", "^")
    yield csv_case("an unusual delimiter, given", odd, ids=both, options={"delimiter": "^"})
    yield csv_case("an unusual delimiter", odd, refused="missing_column")
    for bad in ("", ",,", '"', "\n"):
        options = {"delimiter": bad}
        yield csv_case(f"delimiter {bad!r}", good, refused="bad_delimiter", options=options)
    yield csv_case("the separator line of Excel", "sep=;\n" + good.replace(",", ";"), ids=both)
    yield csv_case("CRLF", good.replace("\n", "\r\n"), ids=both)
    yield csv_case("CR", good.replace("\n", "\r"), ids=both)
    yield csv_case("line ends of all kinds", f"{HEAD[:-1]}\r\n1,a.jpg,\r9,b.jpg,\n", ids=both)
    yield csv_case("no line end at the end", good[:-1], ids=both)
    yield csv_case("blank lines", f"\n\n{HEAD}\n{GOOD}\n  \n{LAST}\n\n", ids=both)
    yield csv_case("rows of delimiters only", f"{HEAD},,\n{GOOD},,\n , ,\n{LAST}", ids=both)
    text = HEAD + '1,a.jpg,"two\nlines"\n2,a.jpg\n' + LAST
    yield csv_case("a quoted line end counts", text, ids=both, errors=((4, None, "ragged_row"),))
    yield csv_case("quoted delimiters", HEAD + '1,a.jpg,"a, b"\n' + LAST, ids=both)
    yield csv_case("doubled quotes", HEAD + '1,a.jpg,"5"" screen"\n' + LAST, ids=both)
    yield csv_case("a quote inside a field", HEAD + '1,a.jpg,5" screen\n' + LAST, ids=both)
    yield csv_case("spaces before quotes", HEAD + '1, "a.jpg", "x, y"\n' + LAST, ids=both)
    yield bad_row("text after a quote", "id,image,title", '2,a.jpg,"5" x"', None, "bad_quotes")
    yield bad_row("a backslash escape", "id,image,title", '2,a.jpg,"5\\" x"', None, "bad_quotes")
    yield bad_row("a quote that is never closed", "id,image,t", '2,a.jpg,"x', None, "bad_quotes")
    yield csv_case(
        "an open quote on the last line",
        HEAD + GOOD + '2,a.jpg,"x',
        ids=("1",),
        errors=((3, None, "bad_quotes"),),
    )
    yield csv_case(
        "two open quotes, good rows between",
        HEAD + '2,a.jpg,"x\n' + GOOD + '3,a.jpg,"y\n' + LAST,
        ids=both,
        errors=((2, None, "bad_quotes"), (4, None, "bad_quotes")),
    )
    yield bad_row("too few fields", "id,image,title", "2,a.jpg", None, "ragged_row")
    yield bad_row("too many fields", "id,image,title", "2,a.jpg,x,y", None, "ragged_row")
    yield bad_row("a lone word", "id,image,title", "word", None, "ragged_row")
    yield csv_case("an empty file", "", refused="empty_catalog")
    yield csv_case("only a byte order mark", "", "utf-8-sig", refused="empty_catalog")
    yield csv_case("only line ends", "\n\r\n\n", refused="empty_catalog")
    yield csv_case("only delimiters", ",,,\n,,,\n", refused="empty_catalog")
    yield csv_case("only a header", HEAD, refused="empty_catalog")
    yield csv_case("only a header, no line end", HEAD[:-1], refused="empty_catalog")
    long = "x" * 1_000_001
    yield bad_row(
        "a field over a megabyte", "id,image,t", f"2,a.jpg,{long}", None, "field_too_long"
    )
    quoted = f'2,a.jpg,"{long}"'
    yield bad_row("the same in quotes", "id,image,t", quoted, None, "field_too_long")
    yield bad_row("a huge row", "id,image,t", f"2,a.jpg,{'x' * 9_000_000}", None, "row_too_long")
    yield csv_case("a huge header", f"id,image,{'x' * 5_000_000}\n{GOOD}", refused="bad_header")
    yield csv_case("a header with an open quote", 'id,image,"x\n' + GOOD, refused="bad_header")
    yield csv_case("too many rows", good, refused="too_many_rows", options={"max_rows": 1})
    yield csv_case("as many rows as allowed", good, ids=both, options={"max_rows": 2})


def _headers() -> Iterator[Case]:
    both = ("1", "9")
    rows = GOOD + LAST
    for header in (
        "ID,Image,Title",
        " id , image , title ",
        "Id,IMAGE PATH,title",
        "id,Image-Path,title",
        "id,imagePath,title",
        "id,photos,title",
        "id,filename,title",
        '"id","image","title"',
    ):
        yield csv_case(f"header {header!r}", f"{header}\n{rows}", ids=both)
    for header in ("id,title,x", "image,title,x", "title,x,y", "code,bild,name", "1,a.jpg,one"):
        yield csv_case(f"header {header!r}", f"{header}\n{rows}", refused="missing_column")
    for header in ("id,image,id", "id,image,ID", "id,image,Image", "sku,picture,name"):
        yield csv_case(f"header {header!r}", f"{header}\n{rows}", ids=both)
    for header in ("id,image,a b,a_b", "id,image,colour,color", "id,image,label,attr_label"):
        yield csv_case(f"header {header!r}", f"{header}\n1,a.jpg,x,y\n", ids=("1",))
    for header in (
        "id,image,size (cm)",
        "id,image,größe",
        "id,image,1st",
        "id,image," + "x" * 65,
        "id,image,a.b",
        "id,image,=cmd|x",
        "id,image,<script>",
        "id,image,\x1b[31m",
        "id,image,名前",
    ):
        yield csv_case(f"header {header!r}", f"{header}\n{rows}", ids=both)
    for count in (1001, 10_000):
        header = "id,image," + ",".join(f"c{i}" for i in range(count - 2))
        text = f"{header}\n1,a.jpg{',' * (count - 2)}\n"
        yield csv_case(f"{count} columns", text, refused="too_many_columns")
    header = "id,image," + ",".join(f"c{i}" for i in range(998))
    yield csv_case("1000 columns", f"{header}\n1,a.jpg{',x' * 998}\n", ids=("1",))
    yield csv_case("the index of a DataFrame", ",id,image\n0,1,a.jpg\n1,9,b.jpg\n", ids=both)
    yield csv_case("a delimiter at the end", "id,image,\n1,a.jpg,\n9,b.jpg,\n", ids=both)
    yield csv_case(
        "mapped columns",
        "SKU,Bild,Größe\n1,a.jpg,5\n9,b.jpg,6\n",
        ids=both,
        options={"columns": {"id": "sku", "image": "Bild", "size": "Größe"}},
    )
    for name, columns, code in (
        ("a mapped column that is not there", {"id": "sku"}, "missing_column"),
        ("a bad name in the map", {"Bad Name": "id"}, "bad_column_map"),
        ("a header mapped twice", {"id": "title", "sku": "Title"}, "bad_column_map"),
    ):
        yield csv_case(name, HEAD + rows, refused=code, options={"columns": columns})


def _ids() -> Iterator[Case]:
    for text in ("001", "+1", "1e5", "-0", "0x10", "a" * 512, "../../etc", "🛋", "a b", "null"):
        yield csv_case(f"id {text[:10]!r}", f"{HEAD}{text},a.jpg,x\n", ids=(text,))
    yield csv_case("id with spaces around", f"{HEAD}  7 ,a.jpg,x\n", ids=("7",))
    yield csv_case("id with a no-break space", f"{HEAD}\u00a07,a.jpg,x\n", ids=("\u00a07",))
    for name, text, code in (
        ("an empty id", "", "empty_id"),
        ("an id of spaces", "   ", "empty_id"),
        ("an id of 513 bytes", "a" * 513, "long_id"),
        ("an id of 300 two-byte letters", "ä" * 300, "long_id"),
        ("an id with a tab", "a\tb", "bad_id"),
        ("an id with a line end", '"a\rb"', "bad_id"),
        ("an id with an escape sequence", "a\x1b[31mb", "bad_id"),
        ("an id with DEL", "a\x7fb", "bad_id"),
        ("an id with a C1 control", "a\x85b", "bad_id"),
    ):
        yield bad_row(name, "id,image,title", f"{text},a.jpg,x", "id", code)


def _duplicates() -> Iterator[Case]:
    duplicate = ((4, "id", "duplicate_id"),)
    two = HEAD + GOOD + LAST
    yield csv_case("the same row twice", two + GOOD, ids=("1", "9"))
    other = "1,a.jpg,other\n"
    yield csv_case("another title", two + other, ids=("1", "9"), errors=duplicate)
    yield csv_case("another photo", two + "1,b.jpg,one\n", ids=("1", "9"), errors=duplicate)
    nfd = HEAD + "caf\u00e9,a.jpg,x\n" + LAST + "cafe\u0301,a.jpg,y\n"
    yield csv_case("composed and decomposed", nfd, ids=("caf\u00e9", "9"), errors=duplicate)
    yield csv_case("ids that differ in case", HEAD + "a,a.jpg,\nA,a.jpg,\n", ids=("a", "A"))
    yield csv_case("ids that differ in zeros", HEAD + "1,a.jpg,\n01,a.jpg,\n", ids=("1", "01"))
    yield csv_case("first", two + other, ids=("1", "9"), options={"on_duplicate": "first"})
    yield csv_case("last", two + other, ids=("9", "1"), options={"on_duplicate": "last"})
    more = two + "1,b.jpg,\n"
    yield csv_case("merge", more, ids=("9", "1"), options={"on_duplicate": "merge"})
    yield csv_case(
        "merge of rows that disagree",
        two + other,
        ids=("9", "1"),
        errors=((4, "title", "duplicate_id"),),
        options={"on_duplicate": "merge"},
    )
    lost = ((4, "image", "image_not_found"),)
    for policy, ids in (("last", ("9", "1")), ("merge", ("9", "1")), ("first", ("1", "9"))):
        yield csv_case(
            f"{policy}, and the last row is bad",
            two + "1,nowhere.jpg,other\n",
            ids=ids,
            errors=lost,
            options={"on_duplicate": policy},
        )
    yield csv_case(
        "the first row is bad, so the second is no duplicate",
        HEAD + "1,nowhere.jpg,x\n" + GOOD,
        ids=("1",),
        errors=((2, "image", "image_not_found"),),
    )
