"""Memory and time of looking at a feed of a million rows.

    python benchmarks/feed_memory.py WORK_FOLDER [--rows 1000000] [--kinds plain google shopify]
        [--through check index sync]

Writes a feed of each kind into the folder, with addresses for photos, then reads it as
`scenesearch catalog check` does, both passes, in a process of its own: the largest resident set of
that process, what it had after its imports, CPU seconds. `--through index` and `sync` plan what
these would do with an empty collection, duplicate audit included, as with --dry-run: every item is
new. A tenth of the rows as well, which tells whether memory grows with the rows. Printed as JSON;
nothing is fetched.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

CHILD = """
import json, resource, sys, time
from scenesearch import SceneSearch
from scenesearch.catalog import FeedOptions, read_catalog
from scenesearch.catalog.check import check_catalog
def megabytes():
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
path, through, store = sys.argv[1:]
feed = FeedOptions(fetch=True)
before, start = megabytes(), time.process_time()
if through == "check":
    items = check_catalog(read_catalog(path, feed=feed)).items
else:
    with SceneSearch(store) as shop:
        if through == "index":
            plan = shop.index(path, feed=feed, dry_run=True).plan
        else:
            plan = shop.sync(path, feed=feed, dry_run=True).plan.index
        items = len(plan.items)
print(json.dumps({
    "items": items, "MB after imports": before, "MB at most": megabytes(),
    "CPU seconds": round(time.process_time() - start, 1),
}))
"""


def plain(rows: int) -> Iterator[str]:
    """A table of one's own."""
    yield "id,image,title,category,price\n"
    for n in range(rows):
        yield f"{n},https://s.test/{n}.jpg,Chair {n % 977},Chairs,{n % 500}.50\n"


def google(rows: int) -> Iterator[str]:
    """Google Merchant, as text: two photos, every third on sale."""
    yield (
        "id\ttitle\tdescription\tlink\timage_link\tadditional_image_link\tprice\tsale_price\t"
        "availability\tproduct_type\titem_group_id\tcolor\n"
    )
    for n in range(rows):
        sale = f"{n % 500}.00 EUR" if n % 3 == 0 else ""
        yield (
            f"SKU-{n}\tChair {n % 977}\tA <b>chair</b> of solid oak\thttps://s.test/p/{n}\t"
            f"https://s.test/{n}.jpg\thttps://s.test/{n}b.jpg\t{n % 500 + 9}.50 EUR\t{sale}\t"
            f"in_stock\tHome > Chairs\tG-{n // 4}\tOak\n"
        )


def shopify(rows: int) -> Iterator[str]:
    """Shopify's export: four variants a product."""
    yield (
        "Handle,Title,Body (HTML),Vendor,Option1 Name,Option1 Value,Variant SKU,Variant Price,"
        "Image Src,Variant Image,Status\n"
    )
    for n in range(rows):
        first = f"Chair {n},<p>Oak</p>,Nord,Colour" if n % 4 == 0 else ",,,"
        yield (
            f"chair-{n // 4},{first},C{n % 4},S-{n},{n % 500}.00,https://s.test/{n}.jpg,"
            f"https://s.test/{n}.jpg,active\n"
        )


KINDS: dict[str, tuple[str, Callable[[int], Iterator[str]]]] = {
    "plain": ("csv", plain),
    "google": ("tsv", google),
    "shopify": ("csv", shopify),
}


def main() -> None:
    """Run it and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS))
    parser.add_argument(
        "--through", nargs="+", choices=("check", "index", "sync"), default=["check"]
    )
    parser.add_argument("--whole-only", action="store_true", help="leave out the tenth")
    asked = parser.parse_args()
    asked.folder.mkdir(parents=True, exist_ok=True)
    figures: dict[str, dict[str, object]] = {}
    for kind in asked.kinds:
        ending, lines = KINDS[kind]
        figures[kind] = {}
        for rows in (asked.rows,) if asked.whole_only else (asked.rows // 10, asked.rows):
            path = asked.folder / f"{kind}.{ending}"
            with path.open("w") as file:
                file.writelines(lines(rows))
            size = f"{path.stat().st_size / 1e6:.0f} MB of file"
            for through in asked.through:
                arguments = [str(path), through, str(asked.folder / "store")]
                done = subprocess.run(
                    [sys.executable, "-c", CHILD, *arguments], capture_output=True, check=True
                )
                figures[kind][f"{through}, {rows:,} rows, {size}"] = json.loads(done.stdout)
            path.unlink()
    print(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
