"""Photos of a feed from a server that is slow, busy and broken, by a process that is killed.

    python benchmarks/feed_photos.py WORK_FOLDER [--photos 10000] [--kills 10] [--command]

A server on this machine holds so many small JPEGs. Of a hundred, three answer 429 with Retry-After
first, two 503, one breaks off, one sends a web page, one is not there. A child process fetches all
of them and is killed (SIGKILL) at random moments; the last one is left to finish. Then all are
asked for again, with a handful of pictures changed. Nothing leaves the machine. Printed as JSON:
transfers beyond one for each photo, what failed, what a second run transferred, seconds.

With --command the process is `scenesearch index FEED --fetch` on a table of so many rows, as a shop
runs it (SCENESEARCH_CONFIG and the weights as they are set), and is killed while it embeds, too.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "tests"))

CHILD = """
import json, sys, time
from pathlib import Path
from scenesearch.config.settings import load_settings
from scenesearch.images.media_folder import MediaFolder
from scenesearch.wiring import build_catalog_photos
base, endpoint, folder, count = sys.argv[1:]
settings = load_settings(None, fetch={"private": (endpoint,), "per_host": 16})
photos, book = build_catalog_photos(settings, MediaFolder(Path(folder)))
start = time.perf_counter()
with book:
    found = photos.gather_now(f"{base}/{n}.jpg" for n in range(int(count)))
print(json.dumps({
    "here": len(found.paths), "failed": len(found.failures), "stale": len(found.stale),
    "fetched": found.fetched, "seconds": round(time.perf_counter() - start, 1),
    "reasons": sorted({why[:60] for why in found.failures.values()}),
}))
"""


def command(work: Path, base: str, endpoint: str, count: int) -> list[str]:
    """`scenesearch index` of a table with an address in each row."""
    work.mkdir(parents=True, exist_ok=True)
    rows = (f"P{n},{base}/{n}.jpg,Product {n},{n % 90}.50 EUR\n" for n in range(count))
    (work / "feed.csv").write_text("id,image,title,price\n" + "".join(rows))
    os.environ["SCENESEARCH_FETCH__PRIVATE"] = json.dumps([endpoint])
    os.environ["SCENESEARCH_CACHE_DIR"] = str(work / "cache")
    options = ["--store", str(work / "store"), "--fetch", "--json"]
    return [sys.executable, "-m", "scenesearch", "index", str(work / "feed.csv"), *options]


def of_command(work: Path, done: subprocess.CompletedProcess[bytes]) -> dict[str, object]:
    """What a run of the command said, and how many points there are."""
    from scenesearch import SceneSearch

    said = json.loads(done.stdout)
    with SceneSearch(str(work / "store")) as shop:
        points = shop.store.count()
    kept = ("added", "changed", "unchanged", "photos_embedded", "photos_from_cache", "seconds")
    return {
        **{name: said[name] for name in kept},
        "points": points,
        "failures": len(said["failures"]),
        "reasons": sorted({one["reason"][-60:] for one in said["failures"]})[:8],
        "fetched": [note for note in said["notes"] if note.startswith("photos fetched")],
    }


def photo(number: int) -> bytes:
    """A JPEG of its own."""
    from PIL import Image

    stream = io.BytesIO()
    colour = (number % 251, number // 251 % 251, 7 * number % 251)
    Image.new("RGB", (48, 48), colour).save(stream, "JPEG", comment=str(number).encode())
    return stream.getvalue()


def main() -> None:
    """Run it and print the figures."""
    from photo_server import serving

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--photos", type=int, default=10_000)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--command", action="store_true")
    asked = parser.parse_args()
    draw = random.Random(asked.seed)
    with serving() as server:
        server.delay_s = 0.002
        lasting = set()
        for number in range(asked.photos):
            path = f"/{number}.jpg"
            server.files[path] = photo(number)
            chance = number % 100
            if chance < 6:
                server.faults[path] = [(429, 429, 429, 503, 503, "short")[chance]]
            elif chance in (6, 7):
                server.faults[path] = ["html" if chance == 6 else 404] * 10_000
                lasting.add(path)
        arguments = [sys.executable, "-c", CHILD, server.base, server.endpoint]
        arguments += [str(asked.folder), str(asked.photos)]
        if asked.command:
            arguments = command(asked.folder, server.base, server.endpoint, asked.photos)

        def whole() -> dict[str, object]:
            done = subprocess.run(arguments, capture_output=True, check=not asked.command)
            return of_command(asked.folder, done) if asked.command else json.loads(done.stdout)

        for kill in range(asked.kills):
            child = subprocess.Popen(arguments, stdout=subprocess.DEVNULL)
            before = server.sent.total()
            # killed once it has brought a part, wherever it then is
            part = draw.randint(50, max(51, asked.photos // (asked.kills + 2)))
            while server.sent.total() - before < part and child.poll() is None:
                time.sleep(0.01)
            if asked.command and kill > asked.kills // 2:  # later ones may be embedding by then
                time.sleep(draw.uniform(0, 30))
            child.send_signal(signal.SIGKILL)
            child.wait()
        first = whole()
        sent, most = server.sent.total(), server.most_at_once
        server.conditional = 0
        changed = draw.sample([p for p in server.files if p not in lasting], 5)
        for path in changed:
            server.files[path] = photo(10_000_000 + int(path[1:-4]))
        second = whole()
        figures = {
            "photos": asked.photos,
            "kills": asked.kills,
            "good": asked.photos - len(lasting),
            "transferred": sent,
            "again_for_each_kill": round(
                (sent - (asked.photos - len(lasting))) / max(asked.kills, 1), 1
            ),
            "most_at_once": most,
            "first": first,
            "second": second,
            "second_conditional": server.conditional,
            "second_transferred": server.sent.total() - sent,
            "pictures_changed": len(changed),
        }
    print(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
