"""Bad and odd JSONL and Parquet manifests, like those of ``bad_manifests.py`` beside this file."""

from __future__ import annotations

import io
import json
import random
from collections.abc import Iterator
from typing import Any

from bad_manifests import GOOD, HEAD, SEED, Case


def cases() -> list[Any]:
    """All of them."""
    return [*_jsonl(), *_parquet()]


def _jsonl() -> Iterator[Any]:
    good = '{"id": "1", "image": "a.jpg"}\n'
    last = '{"id": "9", "image": "b.jpg"}\n'
    both = ("1", "9")

    def case(name: str, text: str, **rest: Any) -> Any:
        return Case(f"jsonl: {name}", "c.jsonl", text.encode(), **rest)

    yield case("blank lines", f"\n{good}  \n\n{last}\n", ids=both)
    yield case("CRLF", (good + last).replace("\n", "\r\n"), ids=both)
    yield case("no line end at the end", good + last[:-1], ids=both)
    yield case("a byte order mark", "\ufeff" + good + last, ids=both)
    yield case(
        "a line separator in a text", '{"id":"1","image":"a.jpg","t":"x\u2028y"}\n', ids=("1",)
    )
    yield Case("jsonl: utf-16", "c.ndjson", (good + last).encode("utf-16"), ids=both)
    yield case("empty", "", refused="empty_catalog")
    yield case("blank", "\n \n", refused="empty_catalog")
    yield case("one array", f"[{good[:-1]}, {last[:-1]}]", ids=both)
    yield case("an array over lines", f"[\n{good[:-1]},\n{last}]\n", ids=both)
    yield case("an array cut off", f"[\n{good[:-1]},\n{last}", refused="bad_catalog")
    wrong = ((2, None, "not_an_object"),)
    yield case("an array with a number", f"[{good[:-1]}, 5, {last[:-1]}]", ids=both, errors=wrong)
    yield case("an object over lines", json.dumps({"id": "1"}, indent=1), refused="missing_column")
    more = f'{good}{{"id": null, "image": "a.jpg"}}\n{{"image": "b.jpg"}}\n{last}'
    yield case("photos of the item before", more, ids=both)
    yield case("csv named jsonl", HEAD + GOOD, refused="bad_catalog")
    yield case("no photo column", '{"id": "1"}\n', refused="missing_column")
    yield case("empty objects", "{}\n{}\n", refused="missing_column")
    many = json.dumps({"id": "1", "image": "a.jpg", **{f"c{i}": 1 for i in range(999)}})
    yield case("1001 keys", many + "\n", refused="too_many_columns")
    yield case("a bad key", '{"id": "1", "image": "a.jpg", "a.b": 1}\n', ids=("1",))
    yield case("an empty key", '{"id": "1", "image": "a.jpg", "": 1}\n', ids=("1",))
    both_colours = '{"id": "1", "image": "a.jpg", "color": "x", "colour": "y"}\n'
    yield case("both spellings", both_colours, ids=("1",))

    for name, line, column, code in (
        ("a trailing comma", good[:-1] + ",", None, "bad_json"),
        ("a comma inside", '{"id": "2", "image": "a.jpg",}', None, "bad_json"),
        ("single quotes", "{'id': '2', 'image': 'a.jpg'}", None, "bad_json"),
        ("a comment", "// comment", None, "bad_json"),
        ("cut in the middle", '{"id": "2", "ima', None, "bad_json"),
        ("deep nesting", '{"id": "2", "x": ' + "[" * 100_000, None, "bad_json"),
        ("a number of 5000 digits", '{"id": "2", "x": ' + "9" * 5000 + "}", None, "bad_json"),
        ("a number", "5", None, "not_an_object"),
        ("a text", '"x"', None, "not_an_object"),
        ("null", "null", None, "not_an_object"),
        ("an array", '["2", "a.jpg"]', None, "not_an_object"),
        ("the same key twice", '{"id": "2", "id": "3", "image": "a.jpg"}', None, "duplicate_key"),
        ("the same name twice", '{"id": "2", "ID": "3", "image": "a.jpg"}', "id", "duplicate_key"),
        ("NaN", '{"id": "2", "image": "a.jpg", "x": NaN}', None, "bad_number"),
        ("-Infinity", '{"id": "2", "image": "a.jpg", "x": -Infinity}', None, "bad_number"),
        ("1e400", '{"id": "2", "image": "a.jpg", "x": 1e400}', "x", "bad_number"),
        ("a price of 1e400", '{"id": "2", "image": "a.jpg", "price": 1e400}', "price", "bad_price"),
        ("a price of -1", '{"id": "2", "image": "a.jpg", "price": -1}', "price", "bad_price"),
        ("a true price", '{"id": "2", "image": "a.jpg", "price": true}', "price", "bad_price"),
        ("a price list", '{"id": "2", "image": "a.jpg", "price": [1]}', "price", "bad_price"),
        (
            "a huge price",
            '{"id": "2", "image": "a.jpg", "price": ' + "9" * 400 + "}",
            "price",
            "bad_price",
        ),
        ("an object", '{"id": "2", "image": "a.jpg", "x": {"y": 1}}', "x", "nested_value"),
        ("a nested list", '{"id": "2", "image": "a.jpg", "x": [["y"]]}', "x", "nested_value"),
        ("a list of objects", '{"id": "2", "image": "a.jpg", "x": [{}]}', "x", "nested_value"),
        ("a title list", '{"id": "2", "image": "a.jpg", "title": ["x"]}', "title", "bad_value"),
        ("a title object", '{"id": "2", "image": "a.jpg", "title": {}}', "title", "nested_value"),
        (
            "a stock list",
            '{"id": "2", "image": "a.jpg", "in_stock": []}',
            "in_stock",
            "bad_in_stock",
        ),
        ("half a surrogate", '{"id": "2", "image": "a.jpg", "x": "\\ud800"}', "x", "bad_text"),
        ("an escaped NUL", '{"id": "2", "image": "a.jpg", "x": "\\u0000"}', "x", "bad_text"),
        ("half a surrogate as id", '{"id": "\\ud800", "image": "a.jpg"}', "id", "bad_id"),
        ("half a surrogate as photo", '{"id": "2", "image": "\\ud800.jpg"}', "image", "bad_path"),
        ("a NUL as photo", '{"id": "2", "image": "a\\u0000.jpg"}', "image", "bad_path"),
        ("a NUL as id", '{"id": "a\\u0000", "image": "a.jpg"}', "id", "bad_id"),
        ("a float id", '{"id": 1.0, "image": "a.jpg"}', "id", "bad_id"),
        ("a true id", '{"id": true, "image": "a.jpg"}', "id", "bad_id"),
        ("a list id", '{"id": ["2"], "image": "a.jpg"}', "id", "bad_id"),
        ("a null id", '{"id": null, "image": "a.jpg", "x": 1}', "id", "empty_id"),
        ("no id", '{"image": "a.jpg", "x": 1}', "id", "empty_id"),
        ("no photo", '{"id": "2"}', "image", "missing_image"),
        ("a null photo", '{"id": "2", "image": null}', "image", "missing_image"),
        ("no photos", '{"id": "2", "image": []}', "image", "missing_image"),
        ("a number as photo", '{"id": "2", "image": 5}', "image", "bad_path"),
        ("an object as photo", '{"id": "2", "image": {"alt": "a.jpg"}}', "image", "bad_path"),
        ("a list of numbers as photos", '{"id": "2", "image": [1]}', "image", "bad_path"),
        ("a huge line", '{"id": "2", "x": "' + "y" * 5_000_000 + '"}', None, "row_too_long"),
    ):
        at_fault = ((2, column, code),)
        if column in ("id", "image", None):
            yield case(name, f"{good}{line}\n{last}", ids=both, errors=at_fault)
        else:
            yield case(name, f"{good}{line}\n{last}", ids=("1", "2", "9"), lost=at_fault)
    truncated = ((2, None, "truncated_line"),)
    for cut in (5, 12, 20, len(last) - 2):
        yield case(f"cut after {cut}", good + last[:cut], ids=("1",), errors=truncated)
    yield case("ids as integers", '{"id": 1, "image": "a.jpg"}\n' + last, ids=both)
    photos = '{"id": "1", "images": ["a.jpg", "b.jpg", null]}\n'
    yield case("several photos", photos, ids=("1",))


def _parquet() -> Iterator[Any]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    def written(table: pa.Table, **options: Any) -> bytes:
        stream = io.BytesIO()
        pq.write_table(table, stream, **options)
        return stream.getvalue()

    base = {"id": ["1", "9"], "image": ["a.jpg", "b.jpg"]}
    both = ("1", "9")
    good = written(pa.table(base))
    bad = "bad_parquet"
    yield Case("parquet: good", "c.parquet", good, ids=both)
    yield Case("parquet: empty file", "c.parquet", b"", refused=bad)
    yield Case("parquet: only the magic", "c.pq", b"PAR1", refused=bad)
    yield Case("parquet: the magic twice", "c.pq", b"PAR1PAR1", refused=bad)
    yield Case("parquet: wrong magic", "c.pq", b"JUNK" + good[4:-4] + b"JUNK", refused=bad)
    yield Case("parquet: encrypted magic", "c.pq", good[:-4] + b"PARE", refused=bad)
    yield Case("parquet: csv", "c.pq", (HEAD + GOOD).encode(), refused=bad)
    draw = random.Random(SEED)
    yield Case("parquet: random bytes", "c.pq", draw.randbytes(3000), refused=bad)
    for cut in sorted(draw.sample(range(1, len(good)), 8)):
        yield Case(f"parquet: cut after {cut}", "c.parquet", good[:cut], refused=bad)
    huge = good[:-8] + (2**31 - 1).to_bytes(4, "little") + b"PAR1"
    yield Case("parquet: huge footer", "c.parquet", huge, refused=bad)

    for name, column in (
        ("struct", pa.array([{"a": 1}, None])),
        ("list of structs", pa.array([[{"a": 1}], None])),
        ("list of lists", pa.array([[["x"]], None])),
        ("map", pa.array([[("k", 1)], None], pa.map_(pa.string(), pa.int64()))),
        ("binary", pa.array([b"x", None])),
        ("duration", pa.array([5, None], pa.duration("s"))),
    ):
        data = written(pa.table({**base, "x": column}))
        yield Case(f"parquet: {name}", "c.parquet", data, refused="unsupported_type")
    for name, column in (
        ("decimal", pa.array([1, 2]).cast(pa.decimal128(25, 2))),
        ("timestamp", pa.array([1, None], pa.timestamp("ns"))),
        ("timestamp with a zone", pa.array([1, None], pa.timestamp("us", "Europe/Berlin"))),
        ("date", pa.array([1, None], pa.date32())),
        ("time", pa.array([1, None], pa.time64("ns"))),
        ("dictionary", pa.array(["x", "y"]).dictionary_encode()),
        ("dictionary with null", pa.array(["x", None]).dictionary_encode()),
        ("nulls only", pa.nulls(2)),
        ("list of texts", pa.array([["x", "y"], None])),
        ("large text", pa.array(["x", None], pa.large_string())),
        ("small integers", pa.array([1, 2], pa.int8())),
        ("unsigned integers", pa.array([1, 2**64 - 1], pa.uint64())),
        ("half floats", pa.array([1.5, None], pa.float16())),
    ):
        data = written(pa.table({**base, "x": column}))
        yield Case(f"parquet: {name}", "c.parquet", data, ids=both)
    far = pa.array([2**53, None], pa.timestamp("ms"))
    data = written(pa.table({**base, "x": far}))
    yield Case("parquet: a date beyond the calendar", "c.parquet", data, refused=bad)
    empty = written(pa.table(base).slice(0, 0))
    yield Case("parquet: no rows", "c.parquet", empty, refused="empty_catalog")
    no_photo = written(pa.table({"id": ["1"], "x": ["y"]}))
    yield Case("parquet: no photo column", "c.parquet", no_photo, refused="missing_column")
    twice = pa.table([pa.array(["1"]), pa.array(["a.jpg"]), pa.array(["2"])], ["id", "image", "ID"])
    data = written(twice)
    yield Case("parquet: two ids", "c.parquet", data, ids=("1",))
    wide = {"id": ["1"], "image": ["a.jpg"], **{f"c{i}": ["x"] for i in range(999)}}
    data = written(pa.table(wide))
    yield Case("parquet: 1001 columns", "c.parquet", data, refused="too_many_columns")
    long = pa.table({"id": [str(i) for i in range(50)], "image": ["a.jpg"] * 50})
    options = {"max_rows": 49}
    data = written(long, row_group_size=10)
    yield Case("parquet: too many rows", "c.pq", data, refused="too_many_rows", options=options)
    ids = tuple(str(i) for i in range(50))
    yield Case("parquet: several row groups", "c.pq", data, ids=ids)
    for name, column, code in (
        ("price", pa.array([1.0, float("nan")]), "bad_price"),
        ("price", pa.array([1.0, float("inf")]), "bad_price"),
        ("price", pa.array([1, -1]), "bad_price"),
        ("width", pa.array([1.0, float("nan")]), "bad_number"),
        ("title", pa.array(["x", "y\0"]), "bad_text"),
        ("text", pa.array(["x", "y" * 1_000_001]), "field_too_long"),
    ):
        data = written(pa.table({**base, name: column}))
        title = f"parquet: {name} {code} {str(column[1])[:4]!r}"
        yield Case(title, "c.parquet", data, ids=both, lost=((2, name, code),))
    floats = written(pa.table({"id": [1.0, 2.0], "image": ["a.jpg", "b.jpg"]}))
    errors = ((1, "id", "bad_id"), (2, "id", "bad_id"))
    yield Case("parquet: float ids", "c.parquet", floats, errors=errors)
    integers = written(pa.table({"id": [1, 9], "image": ["a.jpg", "b.jpg"]}))
    yield Case("parquet: integer ids", "c.parquet", integers, ids=both)
