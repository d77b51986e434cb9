"""Bits that flip, files that are cut short or removed: is anything wrong and nobody says so?

Not timed. A store is made of the package's own sample: items and photos of rooms, small segments so
that there are graphs and codes, a tagging run's ledger, a service's state, a list of fetched
addresses. For every kind of file in it, copies are damaged at seeded places: bits flipped, the
file cut, the file removed. Each copy is asked fixed questions in a process of its own; the answer
is right, or an error with a name, or right because what was damaged was made again. An answer that
is wrong is silent where ``verify --deep`` finds nothing either. Processes that end by a signal, and
those that do not end, are counted by themselves.

Damage is made where bytes are: files that the engine reserves are mostly empty.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from measure import parser

FLIPS, CUTS = 30, 10
PROFILE = "offline"
"""Of weights that came with the package."""
TIMEOUT_S = 60.0
SMALL_KB = 60
"""Segments with more get graphs and codes here, so that a sample has some."""
ID = re.compile(r"[0-9a-f]{8}-[0-9a-f-]{27}")


@dataclass(frozen=True)
class Case:
    """One damage.

    Attributes:
        kind: of the file.
        path: of it, inside the folder.
        how: ``flip``, ``cut`` or ``gone``.
        seed: of the place.
    """

    kind: str
    path: str
    how: str
    seed: int


def main() -> int:
    """Make the data, damage copies of them, count."""
    arguments = _arguments()
    if arguments.make is not None:
        make(arguments.make)
        return 0
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        whole = arguments.data or Path(folder) / "whole"
        if arguments.data is None:
            subprocess.run([sys.executable, __file__, "--make", str(whole)], check=True)
        return _measure(arguments, whole, Path(folder) / "hurt")


def _measure(arguments: argparse.Namespace, whole: Path, hurt: Path) -> int:
    _import_everything()
    right = {name: _asked(whole, hurt, name, None) for name in QUESTIONS}
    for name, found in right.items():
        if found["outcome"] != "answer":
            raise SystemExit(f"{name} of undamaged data: {found}")
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    silent = []
    for case in _cases(whole, arguments):
        question = _question(case.path)
        found = _asked(whole, hurt, question, case)
        outcome = found["outcome"]
        if outcome == "answer":
            outcome = "right" if found["value"] == right[question]["value"] else "wrong"
        if outcome == "wrong":
            said = _verified(whole, hurt, question, case)
            outcome = "found by verify" if said != "sound" else "SILENT"
            if outcome == "SILENT":
                silent.append(case)
        counts[f"{case.how} {case.kind}"][outcome] += 1
        counts[case.how][outcome] += 1
        if arguments.verbose:
            print(case, outcome, str(found.get("value", ""))[:200], file=sys.stderr, flush=True)
    if arguments.json:
        print(json.dumps({name: dict(found) for name, found in sorted(counts.items())}, indent=1))
    else:
        for name, found in sorted(counts.items(), key=lambda one: (" " in one[0], one[0])):
            print(f"{name}: " + ", ".join(f"{what} {n}" for what, n in found.most_common()))
        print(f"silent: {len(silent)}; goal 0")
    return 1 if silent else 0


def _arguments() -> argparse.Namespace:
    options = parser(__doc__)
    options.add_argument("--folder", type=Path, default=None, help="for the copies")
    options.add_argument("--make", type=Path, default=None, help="make the data there, no more")
    options.add_argument("--data", type=Path, default=None, help="made before, with --make")
    options.add_argument("--flips", type=int, default=FLIPS)
    options.add_argument("--cuts", type=int, default=CUTS)
    options.add_argument("--only", nargs="*", default=(), help="kinds whose name has one of these")
    options.add_argument("--without", nargs="*", default=(), help="and none of these")
    options.add_argument("--verbose", action="store_true")
    return options.parse_args()


# --- what is damaged ---------------------------------------------------------------------------


def make(folder: Path) -> None:
    """A store and what lies beside it."""
    from scenesearch import RunOptions, SceneSearch
    from scenesearch.fetch.address_book import AddressBook, Known
    from scenesearch.service.state import State
    from scenesearch.service.state.jobs import OnceKey
    from scenesearch.service.state.records import JobRecord, RecordError
    from scenesearch.store.embedded import edge_translate
    from scenesearch.system.resources import resource_dir

    edge_translate.INDEX_KB, edge_translate.SEGMENT_KB = SMALL_KB, 2 * SMALL_KB
    sample = resource_dir("sample")
    folder.mkdir(parents=True)
    rooms = sorted((sample / "rooms").glob("*.jpg"))[:12]
    with SceneSearch(folder / "store", config=PROFILE) as shop:
        shop.index(sample / "catalog.csv")
        shop.add_scenes([str(room) for room in rooms], settle=True)
        shop.tag_to(folder / "tags.jsonl", *rooms, run=RunOptions(workers=1))
        # learned with the first answer, and kept
        shop.complete([item_id(shop)])
    state = State(folder, min_free_bytes=0)
    for n in range(6):
        records = [JobRecord(i, f"{n}-{i}", (b"photo %d" % i,), {"n": n}) for i in range(5)]
        state.jobs.add(records, [RecordError(9, "bad", "no")], once=OnceKey("me", str(n), "b"))
    for n in range(300):
        state.feedback.add("me", "click", f"item {n}", query_id=f"q{n}", rank=n)
    state.close()
    with closing(AddressBook(folder / "addresses.sqlite")) as book:
        book.note(
            (f"http://a.example.com/{n}.jpg", Known(f"{n:064x}", f"e{n}")) for n in range(200)
        )


def item_id(shop: Any) -> str:
    """Some item."""
    return str(shop.store.scroll(limit=1, fields=("item_id",)).records[0].payload["item_id"])


def _cases(whole: Path, arguments: argparse.Namespace) -> Iterator[Case]:
    files: dict[str, list[str]] = defaultdict(list)
    for path in sorted(whole.rglob("*")):
        # an output is what is made of a ledger, and a lock file says nothing
        if path.is_file() and path.suffix not in (".lock", ".jsonl") and path.stat().st_size:
            name = str(path.relative_to(whole))
            files[_kind(name)].append(name)
    for kind, paths in sorted(files.items()):
        if arguments.only and not any(one in kind for one in arguments.only):
            continue
        if any(one in kind for one in arguments.without):
            continue
        rng = random.Random(f"{arguments.seed} {kind}")
        for how, times in (("flip", arguments.flips), ("cut", arguments.cuts), ("gone", 1)):
            for _ in range(times):
                yield Case(kind, rng.choice(paths), how, rng.randrange(2**32))


def _kind(name: str) -> str:
    """A file's place without what differs between segments, spaces and fields."""
    name = ID.sub("*", name)
    name = re.sub(r"payload_index/[^/]+-(\w+)/", r"payload_index/\1/", name)
    name = re.sub(r"(vector_storage|vector_index)-[^/]+", r"\1", name)
    return re.sub(r"^store/(items|scenes)/shard", "shard", re.sub(r"[-_]?\d+\b", "", name))


def _damage(path: Path, case: Case) -> None:
    rng = random.Random(case.seed)
    if case.how == "gone":
        path.unlink()
        return
    data = bytearray(path.read_bytes())
    used = len(bytes(data).rstrip(b"\0")) or len(data)
    if case.how == "cut":
        os.truncate(path, rng.randrange(used))
        return
    # a bit of a byte that is there, or of one beside it
    filled = [place for place in range(used) if data[place]] or list(range(min(used, 4096)))
    place = min(rng.choice(filled) + rng.choice((0, 0, 0, 1)), len(data) - 1)
    with path.open("r+b") as file:
        file.seek(place)
        file.write(bytes([data[place] ^ 1 << rng.randrange(8)]))


# --- what is asked -----------------------------------------------------------------------------


def _question(path: str) -> str:
    if path.startswith("store/scenes/"):
        return "photos"
    if path.startswith("store/items/"):
        return "items"
    return {"embeddings.sqlite": "cache", "tags.jsonl.ledger": "ledger"}.get(
        Path(path).name,
        {"service.sqlite": "state", "addresses.sqlite": "addresses"}.get(Path(path).name, "items"),
    )


def _items(folder: Path) -> Any:
    from scenesearch import SceneSearch

    with SceneSearch(folder / "store", config=PROFILE) as shop:
        some = sorted(shop.values("title"))
        looks = [shop.search(items=one) for one in some[::9]]
        looks += [shop.search(text) for text in ("white lamp", "oak table", "blue couch under 500")]
        filtered = shop.search(
            items=some[0], where="price < 200 and in_stock = true", facets=("category", "colour")
        )
        return [
            shop.count(),
            [[[m.item_id, round(m.score, 4)] for m in look.matches] for look in looks],
            [m.item_id for m in filtered.matches],
            {k: [list(one) for one in v] for k, v in filtered.facets.items()},
            shop.count("price >= 100 and price < 300"),
            shop.count('title = "couch"'),
            {
                one: [list(shop.get(one).photos), dict(shop.get(one).attributes)]
                for one in some[::7]
            },
            [[s.item_id, round(s.score, 4)] for s in shop.complete([some[3]]).suggestions],
        ]


def _photos(folder: Path) -> Any:
    from scenesearch import SceneSearch

    with SceneSearch(folder / "store", config=PROFILE) as shop:
        finder = shop.scenes()
        asked = ("sofa", "lamp and table", "white chair", "two chairs")
        return [
            shop.count_scenes(),
            [[[m.photo, round(m.score, 4)] for m in finder.find(text).matches] for text in asked],
            sorted([one.source, one.phash] for one in shop.hashed_scenes()),
        ]


def _cache(folder: Path) -> Any:
    """A collection made again of it."""
    import numpy as np

    from scenesearch import SceneSearch
    from scenesearch.core.batches import scroll_all
    from scenesearch.system.resources import resource_dir

    shutil.rmtree(folder / "store/items")
    with SceneSearch(folder / "store", config=PROFILE) as shop:
        shop.index(resource_dir("sample") / "catalog.csv")
        spaces = tuple(shop.store.schema.vectors)
        return sorted(
            [r.id, *(np.round(r.vectors[s].astype(float), 4).tolist() for s in sorted(r.vectors))]
            for r in scroll_all(shop.store, spaces=spaces)
        )


def _ledger(folder: Path) -> Any:
    from scenesearch import RunOptions, SceneSearch
    from scenesearch.system.resources import resource_dir

    rooms = sorted((resource_dir("sample") / "rooms").glob("*.jpg"))[:12]
    with SceneSearch(folder / "store", config=PROFILE) as shop:
        shop.tag_to(folder / "tags.jsonl", *rooms, run=RunOptions(workers=1))
    return (folder / "tags.jsonl").read_text()


def _state(folder: Path) -> Any:
    from scenesearch.service.state import State

    state = State(folder, min_free_bytes=0, clock=lambda: 1e9)
    try:
        jobs = state.jobs.page(100)
        return [
            [[job.id, job.kind, job.status, job.total, job.done, job.failed] for job in jobs],
            [
                [r.item_id, dict(r.attributes), [str(p) for p in r.photos]]
                for job in jobs
                for r in state.jobs.batch(job, 100)
            ],
            [[e.place, e.code, e.detail] for job in jobs for e in state.jobs.errors(job, 10)],
            [[f.seq, f.kind, f.item_id, f.query_id, f.rank] for f in state.feedback.page(1000)],
        ]
    finally:
        state.close()


def _addresses(folder: Path) -> Any:
    from scenesearch.fetch.address_book import AddressBook

    with closing(AddressBook(folder / "addresses.sqlite")) as book:
        found = book.find([f"http://a.example.com/{n}.jpg" for n in range(250)])
    # an address that is not known is fetched again
    return {"wrong": [k for k, v in found.items() if v.sha256 != f"{int(v.etag[1:]):064x}"]}


QUESTIONS: dict[str, Callable[[Path], Any]] = {
    "items": _items,
    "photos": _photos,
    "cache": _cache,
    "ledger": _ledger,
    "state": _state,
    "addresses": _addresses,
}


def _verify(folder: Path, question: str) -> str:
    from scenesearch.api.opened import Opened
    from scenesearch.api.verifying import verify_file, verify_store
    from scenesearch.config.settings import load_settings
    from scenesearch.service.state.database import FORM

    files = {
        "cache": "store/embeddings.sqlite",
        "ledger": "tags.jsonl.ledger",
        "state": "service.sqlite",
        "addresses": "addresses.sqlite",
    }
    if question in files:
        report = verify_file(folder / files[question], deep=True, forms={"service.sqlite": FORM})
    else:
        with closing(Opened(folder / "store", load_settings(PROFILE))) as opened:
            report = verify_store(opened, deep=True)
    return "sound" if report.sound else "; ".join(one.what for one in report.findings)


# --- how it is asked ---------------------------------------------------------------------------


def _import_everything() -> None:
    """So that children, which are forked, need not; nothing is opened here."""
    import cv2
    import onnxruntime
    import qdrant_edge

    import scenesearch.api
    import scenesearch.api.verifying
    import scenesearch.service.state

    del cv2, onnxruntime, qdrant_edge, scenesearch


def _asked(whole: Path, hurt: Path, question: str, case: Case | None) -> dict[str, Any]:
    from scenesearch.core.errors import SceneSearchError

    def ask() -> dict[str, Any]:
        try:
            return {"outcome": "answer", "value": QUESTIONS[question](hurt)}
        except SceneSearchError as error:
            return {"outcome": "named error", "value": f"{error.code}: {error}"}
        except FileNotFoundError as error:
            return {"outcome": "named error", "value": str(error)}
        except BaseException as error:  # noqa: BLE001 - whatever it is, it is counted
            return {"outcome": "other error", "value": f"{type(error).__name__}: {error}"}

    _copy(whole, hurt, case)
    return _in_child(hurt, ask)


def _verified(whole: Path, hurt: Path, question: str, case: Case) -> str:
    _copy(whole, hurt, case)
    found = _in_child(hurt, lambda: {"outcome": "said", "value": _verify(hurt, question)})
    return str(found.get("value", found["outcome"]))


def _copy(whole: Path, hurt: Path, case: Case | None) -> None:
    shutil.rmtree(hurt, ignore_errors=True)
    subprocess.run(["cp", "-r", "--sparse=always", str(whole), str(hurt)], check=True)
    if case is not None:
        _damage(hurt / case.path, case)


def _in_child(folder: Path, ask: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    answer = folder / "answer.json"
    answer.unlink(missing_ok=True)
    child = os.fork()
    if not child:
        # what the engine says of its panics is no part of a figure
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, 2)
        os.dup2(null, 1)
        try:
            answer.write_text(json.dumps(ask()))
        finally:
            os._exit(0)
    until = time.monotonic() + TIMEOUT_S
    while True:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            break
        if time.monotonic() > until:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            return {"outcome": "does not end"}
        time.sleep(0.005)
    if os.WIFSIGNALED(status):
        return {"outcome": f"dies by signal {os.WTERMSIG(status)}"}
    return json.loads(answer.read_text()) if answer.exists() else {"outcome": "no answer"}


if __name__ == "__main__":
    sys.exit(main())
