"""Shared fixtures. Anything outside the checkout is optional: tests skip, and say why."""

from __future__ import annotations

import gc
import logging
import os
import shutil
import tempfile
from collections.abc import Generator, Iterator
from functools import cache
from pathlib import Path

# sums in one order, whatever the number of cores; read when numpy is loaded
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import pytest
import typer.main
from hypothesis import settings
from memory_folder import MemoryFolder, memory_folder

# what the store contract asserts is shown as a test's own asserts are
pytest.register_assert_rewrite("store_contract")

ROOT = Path(__file__).resolve().parents[1]
MOST_WORKERS = 4
"""Each imports everything and keeps stores in memory; a run is over in a minute with these."""

# the same examples on every machine, unless somebody goes searching: --hypothesis-profile=search
settings.register_profile(
    "default", max_examples=25, derandomize=True, database=None, deadline=None
)
settings.register_profile("ci", settings.get_profile("default"), max_examples=150)
settings.register_profile("search", max_examples=2000, deadline=None, print_blob=True)
settings.load_profile("default")

in_memory = pytest.StashKey[MemoryFolder]()
kept_on_disk = pytest.StashKey[Path]()
has_failed = pytest.StashKey[bool]()


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """One more than cores this process may use, as some always wait; none where there is one."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return min(cores + 1, MOST_WORKERS) if cores and cores > 1 else 0


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    if hasattr(config, "workerinput") or config.option.basetemp or config.option.collectonly:
        return
    folder = memory_folder()
    if folder is not None:
        config.stash[in_memory] = folder
        config.option.basetemp = str(folder.path)
        config.add_cleanup(folder.remove)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Six thousand tests are no garbage: looking at them again and again took a third of it."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    folder = session.config.stash.get(in_memory, None)
    if folder is not None and session.testsfailed:
        session.config.stash[kept_on_disk] = folder.copy_to_disk()


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    if kept_on_disk in config.stash:
        terminalreporter.write_line(f"folders of what failed: {config.stash[kept_on_disk]}")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport]:
    report = yield
    item.stash[has_failed] = item.stash.get(has_failed, False) or report.failed
    return report


@pytest.fixture(scope="module", autouse=True)
def folders_of_the_module(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[None]:
    """Folders that a module's tests share go with it, or a run would fill the memory."""
    base, failed = tmp_path_factory.getbasetemp(), request.session.testsfailed
    before = set(base.iterdir())
    yield
    if request.session.testsfailed == failed:
        for folder in set(base.iterdir()) - before:
            shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session", autouse=True)
def commands_built_once() -> Iterator[None]:
    """Typer reads what every command takes at every call, which takes longer than most commands."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("typer.main.get_command", cache(typer.main.get_command))
        yield


@pytest.fixture(scope="session", autouse=True)
def names_read_once() -> Iterator[None]:
    """The package's own names and kinds: YAML is slow to read, and every tagger reads it."""
    from scenesearch.system.resources import resource_dir
    from scenesearch.tagging import vocabulary

    ours, read = resource_dir("vocabulary"), vocabulary._read
    once = cache(read)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            vocabulary, "_read", lambda path: (once if path.parent == ours else read)(path)
        )
        yield


@pytest.fixture
def disk_path(request: pytest.FixtureRequest) -> Iterator[Path]:
    """A folder on a disk, for what a process that is killed leaves there."""
    disk = "/var/tmp" if os.access("/var/tmp", os.W_OK) else None
    folder = Path(tempfile.mkdtemp(prefix="scenesearch-", dir=disk))
    yield folder
    if not request.node.stash[has_failed]:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real photos with ground truth, beside the checkout or in SCENESEARCH_SHARED_DATA."""
    path = Path(os.environ.get("SCENESEARCH_SHARED_DATA", ROOT.parent / "shared" / "data"))
    if not path.is_dir():
        pytest.skip(f"no real photos at {path}")
    return path


@pytest.fixture(scope="session")
def real_models() -> Path:
    """Real weights: SCENESEARCH_MODELS_DIR, or beside the checkout."""
    path = Path(os.environ.get("SCENESEARCH_MODELS_DIR", ROOT.parent / "shared" / "models"))
    if not (path / "yolov8n-seg.pt").is_file():
        pytest.skip(f"no real weights at {path}")
    return path


@pytest.fixture
def clean_surroundings(monkeypatch, tmp_path):
    """No setting of the machine, and a cache of the test's own."""
    for name in [name for name in os.environ if name.startswith("SCENESEARCH_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("SCENESEARCH_CACHE_DIR", str(tmp_path / "cache"))


@pytest.fixture(autouse=True)
def loggers_as_they_were():
    """A command logs to the stream it found: another test's, once that one is over."""
    loggers = [logging.getLogger(name) for name in ("scenesearch", "ultralytics")]
    before = [(list(logger.handlers), logger.level) for logger in loggers]
    yield
    for logger, (handlers, level) in zip(loggers, before, strict=True):
        logger.handlers[:] = handlers
        logger.setLevel(level)
