"""What import-linter cannot say: heavy libraries are imported inside functions of their adapters.

The floors themselves are contracts in pyproject.toml, checked by ``lint-imports``.
"""

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
        *("onnxruntime", "onnx", "onnxscript", "tokenizers", "pillow_heif"),
        *("cv2", "sklearn", "scipy", "pandas", "pyarrow", "matplotlib", "jinja2"),
        *("qdrant_client", "qdrant_edge", "fastapi", "uvicorn", "starlette"),
        *("rapidocr", "pebble", "pycocotools", "fsspec", "ray", "supervision"),
        "pytorch_metric_learning",
    }
)
"""Imported inside functions only, so that importing the package costs nothing."""

WEB = frozenset({"fastapi", "starlette", "uvicorn"})
"""What the service is written in: its own files import it openly."""

MAY_USE_HEAVY = {
    "service": "is written in FastAPI",
    "models.detect.ultralytics_models": "an adapter",
    "models.detect.yolo": "cv2 resizes as the networks were trained; pure numpy otherwise",
    "models.cutout.composite": "cv2 copies by a mask; pure numpy otherwise",
    "models.cutout.background": "cv2 labels the parts of a mask; pure numpy otherwise",
    "models.ocr.rapidocr_reader": "an adapter",
    "models.embed.torch_embedder": "an adapter",
    "models.embed.hub_words": "an adapter of tokenizers",
    "models.embed.clip_words": "open_clip's tokenizer in the words of another library",
    "models.embed.onnx_export": "torch's exporter",
    "models.embed.onnx_int8": "onnx and the quantiser of ONNX Runtime",
    "models.embed.timm_tower": "an adapter",
    "models.embed.timm_cells": "an adapter",
    "models.embed.open_clip_tower": "an adapter",
    "models.onnx_runtime": "imports it, told to report nothing",
    "models.load_errors": "names what the libraries raise, for except clauses of adapters",
    "store.embedded": "an adapter",
    "store.server": "an adapter",
    "catalog.parquet_source": "reads one format",
    "images.decode": "pillow_heif, where it is installed",
    "look.values": "gives a table",
    "look.render.figure": "draws with matplotlib",
    "look.render.templates": "fills a jinja2 template",
    "evaluation.ablation": "draws with matplotlib",
    "evaluation.public.tables": "reads one format",
    "tagging.masks": "run lengths by COCO's own code, pycocotools; cv2 outlines them",
    "fetch.object_storage": "object storage, through fsspec",
    "tagging.decode_pool": "worker processes that can be killed, through pebble",
    "tagging.outputs": "writes Parquet among other formats",
    "system.ray_cluster": "joins or starts a cluster",
    "system.ray_actors": "workers on a cluster, and calls of them",
    "tagging.ray_cluster": "streams through Ray Data",
    "tagging.ray_messages": "blocks that Ray Data takes, by pyarrow",
    "train.losses": "names losses of pytorch-metric-learning",
    "train.samplers": "pytorch-metric-learning's sampler",
    "train.checkpoint": "tensors as .safetensors",
    "train.loop": "torch's optimiser and backward pass; timm says what the stages of a model are",
    "train.embedder": "runs the tower it trains, in torch",
    "train.coco": "run lengths with pycocotools, their outlines with cv2",
    "train.detector": "ultralytics' own trainer",
}
"""The files and rooms that import a heavy library inside a function, and why."""


class Import(NamedTuple):
    """One import: the library, where, and whether it runs when the module is imported."""

    library: str
    line: int
    at_import: bool


def imports(node: ast.AST, *, at_import: bool = True) -> Iterator[Import]:
    """Every import of a file but those for type checkers."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.expr):
            continue  # has none, and is most of a file
        if isinstance(child, ast.Import):
            names = [alias.name for alias in child.names]
            yield from (Import(name.split(".")[0], child.lineno, at_import) for name in names)
        elif isinstance(child, ast.ImportFrom):
            yield Import((child.module or "").split(".")[0], child.lineno, at_import)
        elif isinstance(child, ast.If) and "TYPE_CHECKING" in ast.dump(child.test):
            for other in child.orelse:
                yield from imports(other, at_import=at_import)
        else:
            inside = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef)
            yield from imports(child, at_import=at_import and not inside)


def violations(module: str, source: str) -> list[str]:
    """What a module imports that it must not."""
    wrong = []
    for library, line, at_import in imports(ast.parse(source)):
        if library == "typer" and not module.startswith("cli."):
            wrong.append(f"{line}: typer outside cli")
        if library not in HEAVY or (library in WEB and module.startswith("service.")):
            continue
        if at_import:
            wrong.append(f"{line}: {library} at module level; import it inside a function")
        elif reason(module) is None:
            wrong.append(f"{line}: {library} outside the files that may use it")
    return wrong


def reason(module: str) -> str | None:
    """Why a module may use a heavy library: its own entry, or that of a room it is in."""
    while module:
        if module in MAY_USE_HEAVY:
            return module
        module = module.rpartition(".")[0]
    return None


FILES = {
    ".".join(path.relative_to(PACKAGE).with_suffix("").parts): path
    for path in sorted(PACKAGE.rglob("*.py"))
}


def test_heavy_libraries_are_imported_inside_functions_of_the_files_that_may() -> None:
    wrong = {
        module: found
        for module, path in FILES.items()
        if (found := violations(module, path.read_text(encoding="utf-8")))
    }

    assert wrong == {}


def test_every_file_that_is_listed_still_needs_it() -> None:
    used = {
        reason(module)
        for module, path in FILES.items()
        if any(one.library in HEAVY for one in imports(ast.parse(path.read_text("utf-8"))))
    }

    assert set(MAY_USE_HEAVY) - used == set()


@pytest.mark.parametrize(
    ("module", "source", "said"),
    [
        ("search.searcher", "import torch", "module level"),
        ("store.embedded.edge", "import qdrant_edge", "module level"),
        ("models.embed.pca", "try:\n    import timm\nexcept ImportError: ...", "module level"),
        ("look.values", "class A:\n    import pandas", "module level"),
        ("models.detect.regions", "from cv2 import resize", "module level"),
        ("search.searcher", "def f():\n    import sklearn", "outside the files"),
        ("api.opened", "import typer", "typer outside"),
        ("api.opened", "def f():\n    import fastapi\nimport starlette", "module level"),
    ],
    ids=str,
)
def test_the_check_sees_what_is_planted(module: str, source: str, said: str) -> None:
    assert any(said in wrong for wrong in violations(module, source))


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("look.values", "def f():\n    import pandas"),
        ("look.values", "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import pandas"),
        ("service.http.app", "import fastapi"),
        ("cli.app", "import typer"),
    ],
    ids=str,
)
def test_the_check_lets_what_is_right_be(module: str, source: str) -> None:
    assert violations(module, source) == []
