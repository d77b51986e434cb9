"""Who may import whom, checked on the syntax tree: the arrows of the design point one way."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

import scenesearch

PACKAGE = Path(scenesearch.__file__).parent

HEAVY = frozenset(
    {
        *("torch", "torchvision", "ultralytics", "timm", "open_clip", "safetensors"),
        *("onnxruntime", "onnx", "onnxscript", "rembg", "pillow_heif"),
        *("cv2", "sklearn", "scipy", "pandas", "pyarrow", "matplotlib", "jinja2"),
        *("qdrant_client", "qdrant_edge", "fastapi", "uvicorn", "starlette"),
        *("rapidocr", "pebble", "pycocotools", "fsspec", "ray", "supervision"),
        "pytorch_metric_learning",
    }
)
"""Imported inside functions only, so that importing the package costs nothing."""

WEB = frozenset({"fastapi", "starlette", "uvicorn"})
"""What the service is written in: its own files import it openly, and nobody imports them but
the commands that start a service, inside functions."""
LIGHT_SERVICE = frozenset({"service", "service.settings", "service.backend"})
"""What settings and values of the service need: none of that."""

VALUES = frozenset(
    {
        *("types", "errors", "geometry", "conditions", "pixels", "timing", "metrics"),
        *("resources", "weights", "load_errors", "onnx_runtime", "whole_file", "allocator", "once"),
        *("durable", "priority"),
    }
)
"""Plain values and pure functions on them: what everyone may import."""

STAGES = frozenset({"detect", "cutout", "embed", "attributes", "store", "rank", "catalog", "read"})
"""One folder for each arrow; none knows another."""

PIPELINES = frozenset(
    {
        *("indexer", "index_run", "photo_embedding", "searcher", "encode", "query_vectors"),
        *("learning", "item_points", "nearest"),
        *("sync", "sync_plan", "sync_rows", "sync_audit"),
        *(
            "evaluate",
            "ablation",
            "hybrid",
            "boosting",
            "expansion",
            "breakdown",
            "reranker",
            "second_look",
            "tagger",
        ),
        *("scenes.index", "scenes.find", "scenes.fill"),
        *("tagging.run", "tagging.batches"),
        *("complete.completer", "complete.known_scenes"),
    }
)
"""Protocols and pure code only, never an adapter."""

ADAPTERS = frozenset(
    {
        *("detect.ultralytics_detector", "cutout.rembg_remover", "cutout.rembg_sessions"),
        "read.rapidocr_reader",
        *("embed.torch_embedder", "embed.onnx_embedder", "embed.timm_tower", "embed.timm_cells"),
        *("embed.open_clip_tower", "embed.pca"),
        *("store.edge", "store.edge_directory", "store.edge_translate"),
        *("store.client", "store.client_meta", "store.client_translate"),
    }
)
"""What stands between the package and one library of models or of storage."""

MAY_USE_HEAVY = {
    **dict.fromkeys(ADAPTERS, "an adapter"),
    "cutout.background": "scipy.ndimage labels the parts of a mask; pure numpy otherwise",
    "catalog.parquet_source": "reads one format",
    "images.decode": "pillow_heif, where it is installed",
    "onnx_runtime": "imports it, told to report nothing",
    "load_errors": "names what the libraries raise, for except clauses of adapters",
    "look": "gives a table and a figure",
    "tagging.masks": "run lengths by COCO's own code, pycocotools",
    "tagging.source_remote": "object storage, through fsspec",
    "tagging.decode_pool": "worker processes that can be killed, through pebble",
    "tagging.parquet_output": "writes one format",
    "tagging.ray_cluster": "joins or starts a cluster, and streams through Ray Data",
    "tagging.ray_messages": "blocks that Ray Data takes, by pyarrow",
    "render.figure": "draws with matplotlib",
    "train.losses": "names losses of pytorch-metric-learning",
    "train.simclr": "a loss of pytorch-metric-learning",
    "train.samplers": "pytorch-metric-learning's sampler",
    "train.freeze": "timm says what the stages of its models are",
    "train.checkpoint": "tensors as .safetensors",
    "train.loop": "torch's optimiser and backward pass",
    "train.embedder": "runs the tower it trains, in torch",
    "train.coco": "run lengths with pycocotools, their outlines with cv2",
    "train.detector": "ultralytics' own trainer",
    "render.ablation_figure": "draws with matplotlib",
    "render.html": "fills a jinja2 template",
    "tagging.exports.masks": "measures run lengths with pycocotools, outlines them with cv2",
}
"""The files that import a heavy library inside a function, and why."""

TYPER_ONLY_IN = "cli"

# What a module may import beside the values layer and its own folder. A name stands for the
# module, and for everything in it where it is a folder.
ENGINE = ("protocols", "points", "encode", "query", "rank", "look")
ALLOWED: dict[str, tuple[str, ...]] = {
    # the values layer has nothing beneath it but itself
    **dict.fromkeys(VALUES, ()),
    "protocols": (),
    "images": (),
    "plan": (),
    # names the payload field that stores search by words
    "points": ("protocols",),
    # what people type names colours
    "words": ("attributes.names",),
    # settings name the limits of photos and the fusions there are
    "config": ("images", "rank.fuse", "service.settings"),
    # what a caller can ask names the fusions there are, and the words as they were understood
    "query": ("rank.fuse", "rank.boost", "words"),
    # an answer says where in the photo each region lies
    "look": ("render", "words", "attributes.placement"),
    # stages: their own folder and the protocols
    **dict.fromkeys(STAGES, ("protocols",)),
    # ranks by what was asked
    "rank.pipeline": ("protocols", "query"),
    # a picture shows photos, and colours by what their names look like
    "render": ("look", "images", "attributes.lab"),
    # the fakes stand where adapters stand
    "testing": ("protocols",),
    # pipelines
    # composes the pure files of the stages
    "encode": (
        *("protocols", "points", "detect.regions", "cutout.cutter", "attributes.placement"),
    ),
    "query_vectors": ("protocols", "points", "encode", "query", "embed.projection"),
    "look_builder": (*ENGINE,),
    "index_run": ("plan", "encode"),
    "photo_embedding": ("protocols", "points", "plan", "encode", "index_run", "embed.cache"),
    "indexer": (
        *("protocols", "points", "plan", "encode", "embed.cache", "embed.projection", "rank"),
        *("index_run", "photo_embedding", "augmentation", "learning", "item_points"),
    ),
    "item_points": ("protocols", "points", "plan", "embed.cache", "embed.projection"),
    "learning": ("protocols", "points", "index_run", "embed.cache", "rank.familiarity"),
    "hybrid": (
        *(*ENGINE, "query_vectors", "words", "attributes.names", "attributes.colour_vector"),
        "store.evaluate",
    ),
    "searcher": (
        *(*ENGINE, "query_vectors", "look_builder", "detect.regions", "embed.projection"),
        *("hybrid", "words", "boosting", "expansion", "reranker", "second_look", "seen"),
        *("opened", "query_regions", "nearest"),
    ),
    "nearest": (*ENGINE, "query_vectors"),
    "seen": ("encode",),
    "opened": ("points", "encode", "query", "query_vectors", "rank.familiarity", "words"),
    "query_regions": ("protocols", "encode", "query", "seen", "detect.regions"),
    # reads boosts as filters are read, and asks of each payload what a filter asks
    "boosting": ("query", "rank.boost", "store.filters", "store.typed", "store.evaluate"),
    "augmentation": ("protocols", "points", "rank.augment"),
    "expansion": (*ENGINE, "query_vectors"),
    "reranker": ("protocols", "embed.cache", "rank.rerank"),
    "second_look": (*ENGINE, "look_builder", "reranker"),
    # catalogue sync: its plan and audit are pure, its pipeline stands on the indexer
    "sync_plan": ("plan",),
    "sync_rows": ("catalog",),
    "sync_audit": ("protocols", "points", "plan", "sync_plan", "attributes.hamming"),
    "sync_lock": ("store.owner",),
    "sync_watch": (),
    "sync": (
        *("protocols", "plan", "indexer", "index_run", "catalog", "cutout.cutter"),
        *("sync_plan", "sync_rows", "sync_audit"),
    ),
    "evaluate": (),
    "ablation": ("evaluate",),
    "breakdown": ("evaluate",),
    # what goes with what: engine's candidates, the known scenes, and the ranking's pure files
    "complete": (
        *("protocols", "points", "look", "look_builder", "rank.fuse", "rank.diversify"),
        *("scenes.find",),
    ),
    # photos from addresses that strangers name
    "fetch": ("service.settings",),
    # what calls a service from elsewhere knows the words it uses, and nothing of its workings
    "client": ("service.schemas",),
    # tools for agents, over a client
    "mcp": ("client", "images", "service.schemas"),
    # opens a service without a port
    "mcp.serving": ("client", "config", "service.assemble"),
    # batch tagging: its rows and files; the models come in as protocols
    "tagging": ("protocols", "images"),
    # lists of photos are read as catalogues are; the ledger has one owner, as stores have
    "tagging.source_files": ("catalog.folder_source", "catalog.records"),
    "tagging.source_lists": ("catalog",),
    "tagging.ledger": ("store.owner",),
    "tagging.vocabulary": ("words.stems",),
    "tagging.zero_shot": ("protocols",),
    "tagging.masks": (),
    "tagging.choose": (),
    "tagger": (
        *("protocols", "points", "encode", "tagging", "detect.regions", "attributes.placement"),
    ),
    # fine-tuning: photos are cut as an index cuts them
    "train": ("protocols", "images", "catalog", "cutout.cutter", "embed.tower"),
    # photos as a collection: rows of tagging and what search shares become points
    "scenes": (
        *("protocols", "points", "encode", "query_vectors", "tagging", "images", "words.stems"),
        *("attributes.names", "attributes.phash", "attributes.hamming"),
        *("detect.regions", "embed.projection"),
        *("rank.presets",),
    ),
}
FREE = {
    "build": "the one place that chooses",
    "api": "the front door",
    "demo": "runs the front door on the sample that comes with the package",
    "__init__": "public names",
    "__main__": "python -m",
    "cli": "thin, over the front door",
    "engine": "tasks as plain values, over the front door",
    "service": "thin, over the front door",
}
"""Files that may import everything, and why."""

ONLY_BUILD_NAMES_ADAPTERS = "build"


class Import(NamedTuple):
    """One import: what, where, and whether it runs when the module is imported."""

    target: str
    line: int
    at_import: bool


def imports(source: str) -> list[Import]:
    """Every import of a file but those for type checkers, with ``from a import b`` as ``a.b``."""
    return list(_imports(ast.parse(source), at_import=True))


def _imports(node: ast.AST, *, at_import: bool) -> Iterator[Import]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            yield from (Import(alias.name, child.lineno, at_import) for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            module = "." * child.level + (child.module or "")
            yield from (
                Import(f"{module}.{alias.name}", child.lineno, at_import) for alias in child.names
            )
        elif isinstance(child, ast.If) and "TYPE_CHECKING" in ast.dump(child.test):
            for other in child.orelse:
                yield from _imports(other, at_import=at_import)
        else:
            inside = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef)
            yield from _imports(child, at_import=at_import and not inside)


def module_name(path: Path) -> str:
    """``store/edge.py`` as ``store.edge``; a folder's own file as the folder."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts)


def within(name: str, allowed: tuple[str, ...] | frozenset[str]) -> bool:
    """Whether a module, or a name in it, belongs to one of the modules or folders."""
    return any(name == one or name.startswith(f"{one}.") for one in allowed)


def rule_for(module: str) -> tuple[str, ...] | None:
    """What a module may import; its own entry before its folder's; None for anything."""
    if within(module, tuple(FREE)):
        return None
    folder = module.split(".", maxsplit=1)[0]
    found = ALLOWED.get(module, ALLOWED.get(folder))
    if found is None:
        raise AssertionError(
            f"{module} has no place in the layers yet; give it one in tests/test_layers.py"
        )
    return found


def violations(module: str, source: str) -> list[str]:
    """What a module imports that it must not."""
    folder = module.split(".", maxsplit=1)[0]
    allowed = rule_for(module)
    wrong = []
    for target, line, at_import in imports(source):
        top = target.split(".")[0]
        if target.startswith("."):
            wrong.append(f"{line}: a relative import {target}")
        if top in WEB and is_web(module):
            continue
        if top in HEAVY and at_import:
            wrong.append(f"{line}: {top} at module level; import it inside a function")
        elif top in HEAVY and module not in MAY_USE_HEAVY and folder not in FREE:
            wrong.append(f"{line}: {top} outside the files that may use it")
        if top == "typer" and folder != TYPER_ONLY_IN:
            wrong.append(f"{line}: typer outside {TYPER_ONLY_IN}")
        if top != "scenesearch":
            continue
        inner = target.removeprefix("scenesearch").removeprefix(".")
        if within(inner, ADAPTERS) and module not in ADAPTERS:
            if not within(module, (ONLY_BUILD_NAMES_ADAPTERS,)):
                wrong.append(f"{line}: the adapter {inner}; only build.py names adapters")
            continue
        own_folder = within(inner, (folder,)) or inner == "__version__"
        if allowed is None or own_folder or within(inner, VALUES) or within(inner, allowed):
            continue
        wrong.append(f"{line}: {inner}, which is not beneath {module}")
    return wrong


def is_web(module: str) -> bool:
    """Whether a file is written in the service's framework."""
    return module.startswith("service.") and module not in LIGHT_SERVICE


def is_contract_suite(module: str) -> bool:
    """The store's contract is a test suite that ships with the package; it needs pytest."""
    return module.startswith("store.contract")


FILES = {module_name(path): path for path in sorted(PACKAGE.rglob("*.py"))}


@pytest.mark.parametrize("module", FILES)
def test_a_module_imports_only_what_is_beneath_it(module: str) -> None:
    assert violations(module, FILES[module].read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("module", sorted(PIPELINES))
def test_a_pipeline_names_no_adapter_and_no_heavy_library(module: str) -> None:
    for target, _, _ in imports(FILES[module].read_text(encoding="utf-8")):
        assert target.split(".")[0] not in HEAVY
        assert not within(target.removeprefix("scenesearch."), ADAPTERS)


@pytest.mark.parametrize("module", sorted(ADAPTERS))
def test_an_adapter_is_there_and_still_is_one(module: str) -> None:
    """An adapter's file imports its library, or stands on a file that does."""
    found = imports(FILES[module].read_text(encoding="utf-8"))

    uses_library = any(one.target.split(".")[0] in HEAVY for one in found)
    on_adapter = any(within(one.target.removeprefix("scenesearch."), ADAPTERS) for one in found)
    assert uses_library or on_adapter


def test_every_file_that_uses_a_heavy_library_is_listed_with_its_reason() -> None:
    used = {
        module
        for module, path in FILES.items()
        if any(
            one.target.split(".")[0] in (HEAVY - WEB if is_web(module) else HEAVY)
            for one in imports(path.read_text("utf-8"))
        )
    }

    assert used <= set(MAY_USE_HEAVY)
    unused = set(MAY_USE_HEAVY) - used - ADAPTERS
    assert not unused, "listed, but no longer needed"


def test_pytest_is_imported_by_the_contract_suite_alone() -> None:
    for module, path in FILES.items():
        tops = {one.target.split(".")[0] for one in imports(path.read_text("utf-8"))}
        assert "pytest" not in tops or is_contract_suite(module)


def module_of(target: str) -> str | None:
    """The file that ``scenesearch.types.Scene`` is in; None for what is no file of ours."""
    inner = target.removeprefix("scenesearch.")
    while inner and inner not in FILES:
        inner = inner.rpartition(".")[0]
    return inner or None


def test_the_package_has_no_cycle() -> None:
    # a folder's own file gathers what is in it, so it may be named from inside
    graph = {
        module: {
            found
            for one in imports(path.read_text(encoding="utf-8"))
            if one.at_import and one.target.startswith("scenesearch.")
            if (found := module_of(one.target)) not in (None, module)
        }
        for module, path in FILES.items()
        if path.name != "__init__.py"
    }
    done: set[str] = set()

    def visit(module: str, path: tuple[str, ...]) -> None:
        assert module not in path, " -> ".join((*path, module))
        if module in done:
            return
        for following in sorted(graph.get(module, ())):
            visit(following, (*path, module))
        done.add(module)

    for module in graph:
        visit(module, ())


PLANTED = [
    # module, source, what is wrong with it
    ("searcher", "import torch", "module level"),
    ("store.edge", "import qdrant_edge", "module level"),
    ("embed.timm_tower", "try:\n    import timm\nexcept ImportError:\n    pass", "module level"),
    ("look", "class A:\n    import pandas", "module level"),
    ("searcher", "def f():\n    import sklearn", "outside the files"),
    ("detect.regions", "from cv2 import resize", "module level"),
    ("detect.regions", "from scenesearch.cutout.cutter import CutRules", "not beneath"),
    ("cutout.cutter", "from scenesearch import store", "not beneath"),
    ("types", "from scenesearch.protocols import Store", "not beneath"),
    ("geometry", "import scenesearch.config", "not beneath"),
    ("indexer", "from scenesearch.store.edge import EdgeStore", "adapter"),
    ("indexer", "def f():\n    from scenesearch.store.client import ClientStore", "adapter"),
    ("evaluate", "from scenesearch.searcher import Searcher", "not beneath"),
    ("searcher", "from scenesearch.api import SceneSearch", "not beneath"),
    ("encode", "from scenesearch.embed.torch_embedder import TorchEmbedder", "adapter"),
    ("api", "from scenesearch.store.edge import EdgeStore", "adapter"),
    ("cli.app", "from scenesearch.embed.timm_tower import TimmTower", "adapter"),
    ("api", "import typer", "typer outside"),
    ("api", "def f():\n    import fastapi\nimport starlette", "module level"),
    ("rank.fuse", "from scenesearch.query import Query", "not beneath"),
    ("plan", "from . import types", "relative"),
]


@pytest.mark.parametrize(
    ("module", "source", "said"), PLANTED, ids=[f"{m}: {s[:40]!r}" for m, s, _ in PLANTED]
)
def test_the_check_itself_sees_what_is_planted(module: str, source: str, said: str) -> None:
    assert any(said in wrong for wrong in violations(module, source))


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("look", "def f():\n    import pandas"),
        ("look", "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import pandas"),
        ("build", "from scenesearch.embed.torch_embedder import TorchEmbedder"),
        ("store.client", "from scenesearch.store.client_translate import translate"),
        ("searcher", "import numpy as np\nfrom scenesearch.types import Scene"),
        ("cli.app", "import typer"),
    ],
    ids=str,
)
def test_the_check_lets_what_is_right_be(module: str, source: str) -> None:
    assert violations(module, source) == []


def test_a_new_file_must_be_given_a_place() -> None:
    with pytest.raises(AssertionError, match="no place in the layers"):
        violations("brand_new", "import json")
