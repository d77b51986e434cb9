"""The tools need Blender to run; that their files fit together can be checked without it."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

RENDER = Path(__file__).resolve().parents[1] / "tools" / "render"
FILES = sorted(RENDER.glob("*.py"))


def defined(tree):
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name
        for part in ast.walk(node) if isinstance(node, ast.Assign | ast.AnnAssign) else ():
            if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store):
                yield part.id


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_what_one_file_takes_from_another_is_there(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("tools.render."):
            source = RENDER / f"{node.module.rpartition('.')[2]}.py"
            names = set(defined(ast.parse(source.read_text())))

            assert {alias.name for alias in node.names} <= names, source.name
