"""SIGKILLs over whatever writes: is anything that was acknowledged lost, or there twice?

Not timed. Children are forked from a process that has everything imported, write, say what was
acknowledged over a pipe, and are killed at seeded moments; then what they said is looked for.

- points: small ones, straight into a store, a batch at a time;
- rows: of a ledger, likewise;
- index, sync, tag: whole runs over the package's sample, whose last run is left alone and must end
  with what an undisturbed one leaves;
- repair: ``verify --repair`` of a store that was damaged, which must end sound and whole;
- serve: a service that items are changed in, killed with all its processes.
"""

from __future__ import annotations

import argparse
import asyncio
import csv
import json
import os
import random
import shutil
import signal
import struct
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import UUID

import numpy as np
from measure import Report, parser
from served import served

PROFILE = "offline"
POINTS, ROWS = 2000, 1000
"""Of a batch."""
DIM = 8
NUMBER = struct.Struct("<q")
Write = Callable[[Callable[[int], None]], None]
"""What a child does; it calls its argument with a number that was acknowledged."""


def main() -> int:
    arguments = _arguments()
    report = Report("SIGKILLs while writing")
    with TemporaryDirectory(dir=arguments.folder) as folder:
        import_everything()
        total = kills = 0
        for name in arguments.only or KINDS:
            rng = random.Random(f"{arguments.seed} {name}")
            wanted = arguments.kills.get(name, KILLS[name])
            start = time.monotonic()
            done, found = KINDS[name](Path(folder) / name, rng, wanted, arguments)
            kills += wanted
            total += done
            report.add(f"{name}: kills", wanted)
            report.add(f"{name}: acknowledged", done)
            report.add(f"{name}: lost", found[0], at_most=0)
            report.add(f"{name}: too many or other ones", found[1], at_most=0)
            took = time.monotonic() - start
            print(
                f"{name}: {wanted} kills, {done} acknowledged, {found}, {took:.0f} s",
                file=sys.stderr,
                flush=True,
            )
        report.add("kills", kills)
        report.add("acknowledged", total)
    report.print(as_json=arguments.json)
    return int(any(row.ok is False for row in report.rows))


# --- children ----------------------------------------------------------------------------------


class Child:
    """A forked process that writes."""

    def __init__(self, write: Write) -> None:
        reading, writing = os.pipe()
        self.pid = os.fork()
        if not self.pid:
            code = 1
            try:
                os.setpgid(0, 0)
                os.close(reading)
                null = os.open(os.devnull, os.O_WRONLY)
                os.dup2(null, 1)
                if not os.environ.get("LOUD"):
                    os.dup2(null, 2)
                write(lambda number: os.write(writing, NUMBER.pack(number)) and None)
                code = 0
            except BaseException:  # noqa: BLE001 - whatever it is, it is shown
                import traceback

                traceback.print_exc()
            finally:
                os._exit(code)
        os.close(writing)
        self._said = reading

    def end(self, after_s: float | None) -> tuple[bool, list[int]]:
        """Whether it ended by itself, and well, and what was acknowledged.

        Args:
            after_s: until it is killed; None for never.
        """
        until = None if after_s is None else time.monotonic() + after_s
        os.set_blocking(self._said, False)
        said = bytearray()
        status: int | None = None
        while status is None:
            ended, found = os.waitpid(self.pid, os.WNOHANG)
            if ended:
                status = found
            elif until is not None and time.monotonic() > until:
                # with all that it started
                for kill in (os.killpg, os.kill):
                    try:
                        kill(self.pid, signal.SIGKILL)
                    except ProcessLookupError:
                        continue
                status = os.waitpid(self.pid, 0)[1]
            else:
                time.sleep(0.002)
            said += self._read()
        said += self._read()
        os.close(self._said)
        if status not in (0, signal.SIGKILL):
            raise SystemExit(f"a child failed by itself: {status}; LOUD=1 shows how")
        usable = len(said) - len(said) % NUMBER.size
        return status == 0, [number for (number,) in NUMBER.iter_unpack(said[:usable])]

    def _read(self) -> bytes:
        got = b""
        try:
            while more := os.read(self._said, 1 << 16):
                got += more
        except BlockingIOError:
            pass
        return got


def asked(question: Callable[[], Any]) -> Any:
    """What a function gives in a process of its own: an engine does not survive a fork."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        code = 1
        try:
            os.close(reading)
            with os.fdopen(writing, "w") as there:
                json.dump(question(), there)
            code = 0
        except BaseException:  # noqa: BLE001 - likewise
            import traceback

            traceback.print_exc()
        finally:
            os._exit(code)
    os.close(writing)
    with os.fdopen(reading) as here:
        text = here.read()
    if os.waitpid(child, 0)[1]:
        raise SystemExit("what was asked failed")
    return json.loads(text)


# --- batches straight into a store, a ledger ---------------------------------------------------


def _batches(
    write: Callable[[int], Write],
    check: Callable[[int], tuple[int, int]],
    size: int,
    batches: int,
    kills: int,
    rng: random.Random,
) -> tuple[int, tuple[int, int]]:
    """Batches 0, 1, ... until so many are acknowledged, killed so often on the way."""
    acknowledged = 0
    alone = time.monotonic()
    Child(write(0)).end(1.5)  # not counted, nor is what it wrote: it is written again
    alone = time.monotonic() - alone
    lost = too_many = 0
    for kill in range(kills):
        while True:
            # so that the work ends with the last kill
            left = (batches - acknowledged) / (kills - kill)
            wanted = acknowledged + max(1, round(left))
            moment = rng.random()
            before = acknowledged
            child = Child(write(acknowledged))
            acknowledged = _killed_near(child, acknowledged, wanted, moment)
            if acknowledged > before or moment:
                break
        if kill % 10 == 9:
            found = check(acknowledged)
            lost, too_many = lost + found[0], too_many + found[1]
    found = check(acknowledged)
    return acknowledged * size, (lost + found[0], too_many + found[1])


def _killed_near(child: Child, first: int, wanted: int, moment: float) -> int:
    """Kill it in the batch after ``wanted`` was acknowledged; gives how many were."""
    os.set_blocking(child._said, True)
    done, last = first, time.monotonic()
    length = 0.0
    while done < wanted:
        data = os.read(child._said, NUMBER.size)
        if not data:
            break
        now = time.monotonic()
        length, last = now - last, now
        done = NUMBER.unpack(data)[0] + 1
    _, said = child.end(moment * max(length, 0.005))
    return max([done, *(number + 1 for number in said)])


def _points(
    folder: Path, rng: random.Random, kills: int, arguments: argparse.Namespace
) -> tuple[int, tuple[int, int]]:
    from scenesearch.core.types import CollectionSchema, Point
    from scenesearch.store.embedded.edge import EdgeStore

    schema = CollectionSchema({"a": DIM}, {"n": "integer"}, quantization="none")
    folder.mkdir()

    def write(first: int) -> Write:
        def run(said: Callable[[int], None]) -> None:
            with closing(EdgeStore(folder, "points", min_free_bytes=0)) as store:
                store.create(schema)
                batch = first
                while True:
                    vectors = np.random.default_rng(batch).normal(size=(POINTS, DIM))
                    rows = vectors.astype(np.float32)
                    numbers = range(batch * POINTS, (batch + 1) * POINTS)
                    store.upsert(
                        [
                            Point(str(UUID(int=n + 1)), {"a": row}, {"n": n})
                            for n, row in zip(numbers, rows, strict=True)
                        ]
                    )
                    said(batch)
                    batch += 1

        return run

    def look(acknowledged: int) -> list[int]:
        seen = np.zeros((acknowledged + 1) * POINTS, bool)
        wrong = 0
        with closing(EdgeStore(folder, "points", min_free_bytes=0)) as store:
            count, cursor = store.count(), None
            while True:
                page = store.scroll(limit=20_000, cursor=cursor, fields=("n",))
                for one in page.records:
                    n = one.payload["n"]
                    wrong += UUID(one.id).int != n + 1 or n >= len(seen) or bool(seen[n])
                    seen[min(n, len(seen) - 1)] = True
                cursor = page.cursor
                if cursor is None:
                    break
        lost = int((~seen[: acknowledged * POINTS]).sum())
        return [lost, wrong + abs(count - int(seen.sum()))]

    def check(acknowledged: int) -> tuple[int, int]:
        lost, wrong = asked(lambda: look(acknowledged))
        return lost, wrong

    return _batches(write, check, POINTS, -(-arguments.points // POINTS), kills, rng)


def _rows(
    folder: Path, rng: random.Random, kills: int, arguments: argparse.Namespace
) -> tuple[int, tuple[int, int]]:
    from scenesearch.tagging.ledger import Finished, Ledger
    from scenesearch.tagging.rows import TagRow

    folder.mkdir()
    out = folder / "tags.jsonl"

    def write(first: int) -> Write:
        def run(said: Callable[[int], None]) -> None:
            with closing(Ledger(out, "models")) as ledger:
                # a batch may have been kept and not been said
                kept = ledger._file.one("SELECT count(*) FROM places")
                batch = max(first, kept[0] // ROWS if kept else 0)
                while True:
                    numbers = range(batch * ROWS, (batch + 1) * ROWS)
                    ledger.commit(
                        [
                            Finished(n, f"{n}.jpg", row=TagRow(f"{n}.jpg", width=n, models="m"))
                            for n in numbers
                        ]
                    )
                    said(batch)
                    batch += 1

        return run

    def check(acknowledged: int) -> tuple[int, int]:
        lost, wrong = asked(lambda: look(acknowledged))
        return lost, wrong

    def look(acknowledged: int) -> list[int]:
        at, wrong = 0, 0
        with closing(Ledger(out, "models")) as ledger:
            for text in ledger.texts():
                row = json.loads(text)
                wrong += row["source"] != f"{at}.jpg" or row["width"] != at
                at += 1
        # at most the batch that was written and not yet said
        return [max(0, acknowledged * ROWS - at), wrong + max(0, at - (acknowledged + 1) * ROWS)]

    return _batches(write, check, ROWS, -(-arguments.rows // ROWS), kills, rng)


# --- whole runs --------------------------------------------------------------------------------


def feeds(folder: Path) -> list[Path]:
    """The sample, and the sample without some of it and at other prices."""
    from scenesearch.system.resources import resource_dir

    sample = resource_dir("sample")
    with (sample / "catalog.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    feeds = []
    for n in range(2):
        feeds.append(folder / f"feed-{n}.csv")
        with feeds[-1].open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            for i, row in enumerate(rows):
                if n and i % 5 == 0:
                    continue
                price = float(row["price"]) + n
                writer.writerow({**row, "price": f"{price:.2f}"})
    return feeds


def stored(store: Path) -> dict[str, Any]:
    from scenesearch import SceneSearch
    from scenesearch.core.batches import scroll_all

    with SceneSearch(store, config=PROFILE) as shop:
        spaces = tuple(shop.store.schema.vectors) if shop.store.schema is not None else ()
        return {
            record.id: [
                {k: v for k, v in record.payload.items() if k != "indexed_at"},
                {s: np.round(v.astype(float), 4).tolist() for s, v in record.vectors.items()},
            ]
            for record in scroll_all(shop.store, spaces=spaces)
        }


def _runs(
    folder: Path,
    rng: random.Random,
    kills: int,
    run: Callable[[Path, int], None],
    read: Callable[[Path], Any],
    *,
    before: Callable[[Path, int], None] | None = None,
) -> tuple[int, tuple[int, int]]:
    """Runs of kinds 0, 1, 0, ... over one folder; each is killed some times and then left alone."""
    lengths, right, start = [], [], folder / "alone"
    start.mkdir(parents=True)
    hurt = folder / "hurt"
    shutil.copytree(start, hurt)

    def once(there: Path, kind: int) -> Write:
        def write(said: Callable[[int], None]) -> None:
            run(there, kind)
            said(kind)

        return write

    for kind in range(2):
        if before is not None:
            before(start, kind)
        began = time.monotonic()
        Child(once(start, kind)).end(None)
        lengths.append(time.monotonic() - began)
        right.append(asked(lambda: read(start)))
    # again, for how long it takes when nothing is new
    done = lost = other = kill = turn = 0
    while kill < kills:
        kind = turn % 2
        turn += 1
        if before is not None:
            before(hurt, kind)
        for _ in range(5):
            ended, _ = Child(once(hurt, kind)).end(rng.uniform(0.02, lengths[kind]))
            kill += not ended
            if ended or kill >= kills:
                break
        Child(once(hurt, kind)).end(None)
        found = asked(lambda: read(hurt))
        done += len(found)
        lost += len(right[kind].keys() - found.keys())
        other += sum(right[kind].get(key) != value for key, value in found.items())
    return done, (lost, other)


def _index(
    folder: Path, rng: random.Random, kills: int, _: argparse.Namespace
) -> tuple[int, tuple[int, int]]:
    from scenesearch import SceneSearch
    from scenesearch.system.resources import resource_dir

    folder.mkdir()
    both = feeds(folder)

    def run(there: Path, kind: int) -> None:
        with SceneSearch(there / "store", config=PROFILE) as shop:
            shop.index(both[kind], image_root=resource_dir("sample"), prune=True)

    return _runs(folder / "runs", rng, kills, run, lambda there: stored(there / "store"))


def _sync(
    folder: Path, rng: random.Random, kills: int, _: argparse.Namespace
) -> tuple[int, tuple[int, int]]:
    from scenesearch import SceneSearch
    from scenesearch.sync.plan import SyncRules
    from scenesearch.system.resources import resource_dir

    folder.mkdir()
    both = feeds(folder)

    def run(there: Path, kind: int) -> None:
        with SceneSearch(there / "store", config=PROFILE) as shop:
            rules = SyncRules(audit=False)
            shop.sync(both[kind], image_root=resource_dir("sample"), rules=rules)

    return _runs(folder / "runs", rng, kills, run, lambda there: stored(there / "store"))


def _tag(
    folder: Path, rng: random.Random, kills: int, _: argparse.Namespace
) -> tuple[int, tuple[int, int]]:
    from scenesearch import RunOptions, SceneSearch
    from scenesearch.system.resources import resource_dir

    rooms = sorted((resource_dir("sample") / "rooms").glob("*.jpg"))

    def fresh(there: Path, _: int) -> None:
        for path in there.glob("tags.jsonl*"):
            path.unlink()

    def run(there: Path, kind: int) -> None:
        with SceneSearch(there / "store", config=PROFILE) as shop:
            options = RunOptions(workers=1, batch=2)
            shop.tag_to(there / "tags.jsonl", *rooms[kind:], run=options)

    def read(there: Path) -> dict[str, Any]:
        lines = (there / "tags.jsonl").read_text().splitlines()
        return {json.loads(line)["source"] + f" {n}": line for n, line in enumerate(lines)}

    return _runs(folder, rng, kills, run, read, before=fresh)


def _repair(
    folder: Path, rng: random.Random, kills: int, _: argparse.Namespace
) -> tuple[int, tuple[int, int]]:
    from scenesearch import SceneSearch
    from scenesearch.system.resources import resource_dir

    whole = folder / "whole"
    whole.mkdir(parents=True)

    def make(_: Callable[[int], None]) -> None:
        with SceneSearch(whole / "store", config=PROFILE) as shop:
            shop.index(resource_dir("sample") / "catalog.csv")

    Child(make).end(None)
    right = asked(lambda: stored(whole / "store"))

    def damaged(there: Path, kind: int) -> None:
        shutil.rmtree(there)
        shutil.copytree(whole, there, copy_function=copy)
        segments = there / "store" / "items" / "shard" / "segments"
        wanted = "vector_storage-*/vectors*" if kind else "payload_index/*"
        # a folder has no blocks of its own in memory
        matching = segments.rglob(wanted)
        found = sorted(one for one in matching if one.is_dir() or one.stat().st_blocks)
        chosen = rng.choice(found)
        shutil.rmtree(chosen) if chosen.is_dir() else chosen.unlink()

    def run(there: Path, _: int) -> None:
        with SceneSearch(there / "store", config=PROFILE) as shop:
            report = shop.verify(deep=True, repair=True)
            if not report.sound:
                raise SystemExit(str(report.findings))
            # what no longer had its payload is written by the next index
            shop.index(resource_dir("sample") / "catalog.csv")

    done, (lost, other) = _runs(
        folder / "runs", rng, kills, run, lambda there: stored(there / "store"), before=damaged
    )
    del right
    return done, (lost, other)


def copy(source: str, target: str) -> str:
    from scenesearch.system.whole_file import copy_sparse

    return copy_sparse(source, target)


# --- a service ---------------------------------------------------------------------------------


def _serve(
    folder: Path, rng: random.Random, kills: int, _: argparse.Namespace
) -> tuple[int, tuple[int, int]]:
    from scenesearch import SceneSearch
    from scenesearch.system.resources import resource_dir

    folder.mkdir()

    def make(_: Callable[[int], None]) -> None:
        with SceneSearch(folder / "store", config=PROFILE) as shop:
            shop.index(resource_dir("sample") / "catalog.csv")

    Child(make).end(None)
    prices: dict[str, float] = {}
    done = lost = 0
    for kill in range(kills + 1):
        with served(folder / "store", PROFILE, quiet=True) as service:
            lost += asyncio.run(_other_prices(service.port, prices))
            if kill == kills:
                break
            killer = asyncio.run(_patch(service, prices, rng))
            done += killer
    return done, (lost, 0)


async def _patch(service: Any, prices: dict[str, float], rng: random.Random) -> int:
    """Change prices until the service is killed; gives how many changes were acknowledged."""
    from scenesearch.client import AsyncClient
    from scenesearch.core.errors import SceneSearchError

    done = 0
    tree = service.tree()
    async with AsyncClient(f"http://127.0.0.1:{service.port}", timeout_s=60, retries=0) as client:
        ids = [item.id for item in (await client.list_items(limit=60)).items]

        async def write(mine: list[str]) -> None:
            nonlocal done
            while True:
                item, price = rng.choice(mine), round(rng.uniform(1, 999), 2)
                try:
                    await client.patch_item(item, {"price": price})
                except SceneSearchError:
                    prices.pop(item, None)  # done or not: nothing was said
                    return
                prices[item] = price
                done += 1

        tasks = [asyncio.create_task(write(ids[n::4])) for n in range(4)]
        await asyncio.sleep(rng.uniform(0.3, 3.0))
        for one in tree:
            try:
                one.kill()
            except Exception:  # noqa: BLE001 - it ended by itself
                continue
        await asyncio.gather(*tasks)
    return done


async def _other_prices(port: int, prices: dict[str, float]) -> int:
    from scenesearch.client import AsyncClient

    async with AsyncClient(f"http://127.0.0.1:{port}", timeout_s=60) as client:
        return sum(
            [
                (await client.get_item(item)).attributes.get("price") != price
                for item, price in prices.items()
            ]
        )


Kind = Callable[[Path, random.Random, int, argparse.Namespace], tuple[int, tuple[int, int]]]
KINDS: dict[str, Kind] = {
    "points": _points,
    "rows": _rows,
    "index": _index,
    "sync": _sync,
    "tag": _tag,
    "repair": _repair,
    "serve": _serve,
}
KILLS = {
    "points": 150,
    "rows": 150,
    "index": 60,
    "sync": 50,
    "tag": 40,
    "repair": 40,
    "serve": 10,
}


def import_everything() -> None:
    import cv2
    import onnxruntime
    import qdrant_edge

    import scenesearch.api
    import scenesearch.api.verifying
    import scenesearch.tagging.ledger

    del cv2, onnxruntime, qdrant_edge, scenesearch


def _arguments() -> argparse.Namespace:
    made = parser(__doc__)
    made.add_argument("--folder", type=Path, default=None, help="for what is written")
    made.add_argument("--only", nargs="*", choices=list(KINDS), help="of what writes")
    made.add_argument("--points", type=int, default=600_000, help="to be acknowledged")
    made.add_argument("--rows", type=int, default=400_000, help="of a ledger, likewise")
    made.add_argument(
        "--kills", type=json.loads, default={}, help="other numbers: '{\"points\": 10}'"
    )
    return made.parse_args()


if __name__ == "__main__":
    sys.exit(main())
