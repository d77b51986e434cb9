"""Calls of the system that fail: does a command end with a named error, and is anything lost?

Not timed; Linux, with a C compiler. A preloaded library (``fault_shim.c``) lets chosen calls on
files of a store, and on sockets, fail: opening, reading, writing, syncing, mapping, renaming,
sending. A first run says which there are: each pair of a call and the place that made it, by kind
of file. Each then fails once, and lastingly, and so do calls at seeded positions, in `index`,
`sync` and `tag` over the sample. A command that ends well must have done its work; one that does
not must say so by an error of ours, and the next one, undisturbed, must leave what it would have
left; where that one says that the store needs it, after ``verify --repair``.
"""

from __future__ import annotations

import argparse
import ctypes
import errno
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from measure import Report, parser
from writes_kill import asked, copy, feeds, import_everything, stored

PROFILE = "offline"
TIMEOUT_S = 120.0
PHOTOS = 51
"""Of the catalogue: 17 items. As many are tagged."""
ERRORS = {
    "read": errno.EIO,
    "pread64": errno.EIO,
    "open": errno.EMFILE,
    "mmap64": errno.ENOMEM,
    "send": errno.EPIPE,
    "recv": errno.ECONNRESET,
    "msync": errno.EIO,
}
"""What fails and how; everything else as on a full disk."""


class Fault(NamedTuple):
    """What fails: the calls of one name from the nth on; with no name, of any."""

    name: str
    nth: int
    error: int
    lasting: bool


def main() -> int:
    arguments = _arguments()
    with TemporaryDirectory(dir=arguments.folder) as made:
        folder = Path(made)
        if "FAULT_ROOT" not in os.environ:
            return _preloaded(folder)
        import_everything()
        report = Report("calls that fail")
        for name in arguments.only or COMMANDS:
            _try_all(Case(name, folder, Path(os.environ["FAULT_ROOT"])), report, arguments)
    report.print(as_json=arguments.json)
    return int(any(row.ok is False for row in report.rows))


def _preloaded(folder: Path) -> int:
    """This script again, with the library in it."""
    library = folder / "fault_shim.so"
    source = Path(__file__).with_name("fault_shim.c")
    build = ["cc", "-O1", "-w", "-shared", "-fPIC", "-o", str(library), str(source), "-ldl"]
    subprocess.run(build, check=True)
    root = folder / "root"
    environment = {"LD_PRELOAD": str(library), "FAULT_ROOT": str(root), "SHIM": str(library)}
    return subprocess.run(
        [sys.executable, *sys.argv], env={**os.environ, **environment}, check=False
    ).returncode


class Case:
    """A command, over copies of one folder, which always have the same name.

    Attributes:
        right: what it leaves when it is left alone.
    """

    def __init__(self, name: str, folder: Path, root: Path) -> None:
        self.name = name
        self.folder, self.root = folder / name, root
        self.folder.mkdir()
        self.run, self.read, before = COMMANDS[name]
        self._feeds = [_short(feed) for feed in feeds(self.folder)]
        self._before = self.folder / "before"
        self.root.mkdir(exist_ok=True)
        self._do(lambda: before(self.root, self._feeds))
        shutil.copytree(self.root, self._before, copy_function=copy)
        self._do(self._work)
        self.right = asked(lambda: self.read(self.root))

    def fresh(self) -> None:
        """The folder as it was before the command."""
        shutil.rmtree(self.root)
        shutil.copytree(self._before, self.root, copy_function=copy)

    def names(self) -> list[str]:
        """Of all calls, in their order, of a run that is left alone."""
        self.fresh()
        log = self.folder / "calls"
        library = ctypes.CDLL(os.environ["SHIM"])

        def run() -> None:
            library.fault_watch(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC))
            self._work()

        self._do(run)
        return log.read_text(errors="replace").splitlines()

    def outcome(self, fault: Fault) -> str:
        """How a run ends in which something fails, in a word or two."""
        self.fresh()
        how, hits = _child(self._work, fault)
        if not hits:
            return "not met"
        if how == "done":
            return how if self._is_right() else "WRONG"
        again, _ = _child(self._work, None)
        if again.startswith("needs_repair"):
            # the engine took an index that it could not open for an empty one, and it was noticed
            how = f"mended by verify --repair: {again} after {how}"
            self._do(self._repair)
            again, _ = _child(self._work, None)
        if again != "done":
            return f"LOST: {again} after {how}"
        return how if self._is_right() else f"LOST after {how}"

    def _is_right(self) -> bool:
        return bool(asked(lambda: self.read(self.root)) == self.right)

    def _repair(self) -> None:
        from scenesearch import SceneSearch

        with SceneSearch(self.root / "store", config=PROFILE) as shop:
            report = shop.verify(deep=True, repair=True)
        if not report.sound:
            raise ValueError(f"not mended: {report.findings}")

    def _work(self) -> None:
        self.run(self.root, self._feeds)

    def _do(self, work: Callable[[], None]) -> None:
        how, _ = _child(work, None)
        if how != "done":
            raise SystemExit(f"{self.name}, left alone: {how}")


def _try_all(case: Case, report: Report, arguments: argparse.Namespace) -> None:
    calls = case.names()
    counts: Counter[str] = Counter()
    for fault in _faults(calls, random.Random(f"{arguments.seed} {case.name}"), arguments):
        found = case.outcome(fault)
        counts[found.split(":")[0]] += 1
        if arguments.verbose:
            print(case.name, fault, found, file=sys.stderr, flush=True)
    report.add(f"{case.name}: calls of a run", len(calls))
    report.add(f"{case.name}: pairs of call and place, by kind of file", len(set(calls)))
    for how, count in counts.most_common():
        bad = how.isupper() or how.startswith(("WRONG", "LOST", "other", "dies", "hangs"))
        name = f"{case.name}: {how}"
        report.add(name, count, at_most=0) if bad else report.add(name, count)


def _faults(calls: list[str], rng: random.Random, arguments: argparse.Namespace) -> Iterator[Fault]:
    pairs = sorted(set(calls))
    if arguments.pairs is not None:
        pairs = sorted(rng.sample(pairs, min(arguments.pairs, len(pairs))))
    for name in pairs:
        error = ERRORS.get(name.split()[0].removesuffix("64at"), errno.ENOSPC)
        for lasting in (False, True):
            yield Fault(name, 0, error, lasting)
    for _ in range(arguments.positions):
        nth = rng.randrange(len(calls))
        error = ERRORS.get(calls[nth].split()[0], errno.ENOSPC)
        yield Fault("", nth, error, rng.random() < 0.5)


def _child(work: Callable[[], None], fault: Fault | None) -> tuple[str, int]:
    """How some work ends in a process of its own, and how many calls failed."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, 1)
        os.dup2(null, 2)
        os.setpgid(0, 0)
        library = ctypes.CDLL(os.environ["SHIM"])
        how = "done"
        try:
            if fault is not None:
                armed = fault.name.encode(), ctypes.c_long(fault.nth)
                library.fault_arm(*armed, fault.error, int(fault.lasting))
            work()
        except BaseException as error:  # noqa: BLE001 - whatever it is, it is counted
            how = _named(error)
        hits = int(library.fault_hits())
        library.fault_arm(b"", ctypes.c_long(0), 0, 0)
        os.write(writing, json.dumps([how, hits]).encode())
        os._exit(0)
    os.close(writing)
    until = time.monotonic() + TIMEOUT_S
    ended, status = 0, 0
    while not ended and time.monotonic() < until:
        ended, status = os.waitpid(child, os.WNOHANG)
        time.sleep(0.005)
    if not ended:
        os.killpg(child, signal.SIGKILL)
        os.waitpid(child, 0)
    with os.fdopen(reading, "rb") as here:
        said = here.read() if ended else b""
    if not ended:
        return "hangs", 1
    if os.WIFSIGNALED(status):
        return f"dies by signal {os.WTERMSIG(status)}", 1
    how, hits = json.loads(said)
    return how, hits


def _named(error: BaseException) -> str:
    from scenesearch.core.errors import SceneSearchError

    if isinstance(error, SceneSearchError):
        return f"{error.code}: {error}"
    return f"other error {type(error).__name__}: {error}"


# --- commands ----------------------------------------------------------------------------------


def _short(feed: Path) -> Path:
    """The first items alone."""
    lines = feed.read_text(encoding="utf-8").splitlines(keepends=True)
    feed.write_text("".join(lines[: 1 + PHOTOS // 3]), encoding="utf-8")
    return feed


def _sample() -> Path:
    from scenesearch.system.resources import resource_dir

    return resource_dir("sample")


def _index(root: Path, both: list[Path]) -> None:
    from scenesearch import SceneSearch

    with SceneSearch(root / "store", config=PROFILE) as shop:
        shop.index(both[1], image_root=_sample())


def _indexed(root: Path, both: list[Path]) -> None:
    from scenesearch import SceneSearch

    with SceneSearch(root / "store", config=PROFILE) as shop:
        shop.index(both[0], image_root=_sample())


def _sync(root: Path, both: list[Path]) -> None:
    from scenesearch import SceneSearch
    from scenesearch.sync.plan import SyncRules

    with SceneSearch(root / "store", config=PROFILE) as shop:
        shop.sync(both[1], image_root=_sample(), rules=SyncRules(audit=False))


def _tag(root: Path, _: list[Path]) -> None:
    from scenesearch import RunOptions, SceneSearch

    rooms, products = (sorted((_sample() / name).glob("*.jpg")) for name in ("rooms", "products"))
    photos = [*rooms, *products][:PHOTOS]
    with SceneSearch(root / "store", config=PROFILE) as shop:
        shop.tag_to(root / "tags.jsonl", *photos, run=RunOptions(workers=1, batch=10))


def _nothing(_: Path, __: list[Path]) -> None:
    pass


Work = Callable[[Path, list[Path]], None]
COMMANDS: dict[str, tuple[Work, Callable[[Path], Any], Work]] = {
    "index": (_index, lambda root: stored(root / "store"), _indexed),
    "sync": (_sync, lambda root: stored(root / "store"), _indexed),
    "tag": (_tag, lambda root: (root / "tags.jsonl").read_text(), _nothing),
}


def _arguments() -> argparse.Namespace:
    made = parser(__doc__)
    made.add_argument("--folder", type=Path, default=None, help="for the copies")
    made.add_argument("--only", nargs="*", choices=list(COMMANDS))
    made.add_argument("--pairs", type=int, default=None, help="so many of them; all by default")
    made.add_argument("--positions", type=int, default=167, help="of each command")
    made.add_argument("--verbose", action="store_true")
    return made.parse_args()


if __name__ == "__main__":
    sys.exit(main())
