"""Bad and odd cells of CSV manifests: prices, stock, links, tags, photo paths."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from bad_manifests import HEAD, bad_row, csv_case


def cases() -> list[Any]:
    """All of them."""
    return [*_cells(), *_paths()]


def _cells() -> Iterator[Any]:
    for price in (
        "nan",
        "inf",
        "-inf",
        "-1",
        "-0.01",
        "1e400",
        "1e3",
        "3x 19",
        "12 EUR USD",
        "1.299.00",
        "+5",
        "0x10",
        "1_000",
        "٣",
        "free",
        "9" * 400,
        "9" * 5000,
        "1.",
        ".5",
        "=1+1",
    ):
        row = f"2,a.jpg,{price}"
        yield bad_row(
            f"price {price[:12]!r} of {len(price)}", "id,image,price", row, "price", "bad_price"
        )
    yield bad_row(
        "a price of two readings", "id,image,price", "2,a.jpg,1.299", "price", "ambiguous_price"
    )
    for price in ("0", "12", "12.50", " 12.5 ", "007", "1" * 300, "$12", "12 €", '"1.299,00"'):
        text = f"id,image,price\n1,a.jpg,{price}\n"
        yield csv_case(f"good price {price[:12]!r}", text, ids=("1",))
    for stock in ("12", "maybe", "-1", "yes please"):
        row = f"2,a.jpg,{stock}"
        yield bad_row(f"stock {stock!r}", "id,image,in_stock", row, "in_stock", "bad_in_stock")
    for url in (
        "javascript:alert(1)",
        "JavaScript:alert(1)",
        '"java\tscript:alert(1)"',
        "data:text/html;x",
        "file:///etc/passwd",
        "vbscript:x",
        "https://x.test/" + "a" * 10_000,
        "http://x.test/\x1fa",
    ):
        yield bad_row(f"url {url[:20]!r}", "id,image,url", f"2,a.jpg,{url}", "url", "bad_url")
    long = "x" * 1001
    row = f"2,a.jpg,{long}"
    yield bad_row("a category of 1001", "id,image,category", row, "category", "field_too_long")
    yield bad_row("a tag of 1001", "id,image,tags", row, "tags", "field_too_long")
    yield bad_row("tags that are no list", "id,image,tags", "2,a.jpg,[x]", "tags", "bad_list")
    nested = '2,a.jpg,"[[""x""]]"'
    yield bad_row("nested tags", "id,image,tags", nested, "tags", "nested_value")
    for cell in ("=cmd|'/c calc'!A0", "@SUM(1)", "<script>alert(1)</script>", "${jndi:x}", "%s%n"):
        yield csv_case(f"cell {cell!r}", f"{HEAD}1,a.jpg,{cell}\n", ids=("1",))


def _paths() -> Iterator[Any]:
    for photo, code in (
        ("nowhere.jpg", "image_not_found"),
        ("A.jpg", "image_not_found"),
        ("no/folder/x.jpg", "image_not_found"),
        ("a.jpg/x", "image_not_found"),
        ("/etc/passwd", "image_outside_root"),
        ("../x.jpg", "image_outside_root"),
        ("sub/../../x.jpg", "image_outside_root"),
        ("..", "image_outside_root"),
        ("//host/share/x.jpg", "image_outside_root"),
        ("out.jpg", "image_outside_root"),
        ("outside/x.jpg", "image_outside_root"),
        ("loop.jpg", "bad_path"),
        ("/dev/zero", "image_outside_root"),
        ("pipe.jpg", "image_not_file"),
        ("sub", "image_not_file"),
        (".", "image_not_file"),
        ("~/x.jpg", "bad_path"),
        ("~root/x.jpg", "bad_path"),
        ("C:\\x.jpg", "bad_path"),
        ("c:/x.jpg", "bad_path"),
        ("sub\\c.jpg", "bad_path"),
        ("..\\..\\x.jpg", "bad_path"),
        ("\\\\host\\share\\x.jpg", "bad_path"),
        ("file:///etc/passwd", "bad_path"),
        ("FILE:x.jpg", "bad_path"),
        ("data:image/png;base64;AAAA", "bad_path"),
        ("http://x.test/a.jpg", "remote_image"),
        ("HTTPS://x.test/a.jpg", "remote_image"),
        ("s3://bucket/a.jpg", "unfetched_address"),
        ("a\x01.jpg", "bad_path"),
        ("x" * 300 + ".jpg", "bad_path"),
        ("x/" * 3000, "bad_path"),
        ("%2e%2e/a.jpg", "image_not_found"),
        ("a.jpg|nowhere.jpg", "image_not_found"),
        ('"[""a.jpg"", 5]"', "bad_path"),
        ('"[""a.jpg"""', "image_not_found"),
        ("[a.jpg]", "bad_list"),
        ("", "missing_image"),
        ("|", "missing_image"),
        ("[]", "missing_image"),
        ("|".join(f"{i}.jpg" for i in range(1001)), "too_many_photos"),
    ):
        row = f"2,{photo},x"
        yield bad_row(f"photo {photo[:24]!r}", "id,image,title", row, "image", code)
    for photo in (
        "a.jpg",
        "./a.jpg",
        "sub/c.jpg",
        "sub/../a.jpg",
        "sub//c.jpg",
        " a.jpg ",
        "with space.jpg",
        "ä.jpg",
        "a\u0308.jpg",
        "link.jpg",
        "%2e%2e",
        "a.jpg|b.jpg",
        "a.jpg|",
        '"[""a.jpg"", ""b.jpg""]"',
    ):
        yield csv_case(f"good photo {photo!r}", f"{HEAD}1,{photo},x\n", ids=("1",))
