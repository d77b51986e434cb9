"""What the docs say exists: links, anchors, files, modules, a sentence for each setting."""

from __future__ import annotations

import ast
import re
import tomllib
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "scenesearch"
PAGES = sorted(
    page
    for pattern in ("*.md", "docs/**/*.md", "tools/**/*.md", "benchmarks/*.md", "models/*.md")
    for page in ROOT.glob(pattern)
)
HISTORY = (ROOT / "CHANGELOG.md", *(ROOT / "docs" / "decisions").glob("*.md"))
"""What speaks of files as they were."""
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)", re.DOTALL)
FENCE = re.compile(r"^ *```.*?^ *```", re.MULTILINE | re.DOTALL)
FILE = re.compile(r"`([\w./-]+/[\w.-]+\.(?:py|md|yaml|toml|json|js|html))`")
DOTTED = re.compile(r"(?<![\w/])scenesearch(?:\.\w+)+")
IMPORT = re.compile(r"^from (scenesearch[\w.]*) import ([\w, ]+)$", re.MULTILINE)
PAGE = re.compile(r"\bdocs/[\w/-]+\.md")
SETTINGS = ("config/settings.py", "config/service.py")


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


@cache
def text_of(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def slug(heading: str) -> str:
    """The anchor that a heading has, as GitHub makes it."""
    plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).strip().lower()
    return re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")


@cache
def anchors(page: Path) -> frozenset[str]:
    headings = re.findall(r"^#+ +(.+)$", FENCE.sub("", text_of(page)), re.MULTILINE)
    return frozenset(slug(heading) for heading in headings)


def broken_links(page: Path) -> list[str]:
    broken = []
    for target in LINK.findall(FENCE.sub("", text_of(page))):
        if target.startswith(("http://", "https://", "mailto:")):
            continue
        path, _, anchor = target.partition("#")
        there = (page.parent / path).resolve() if path else page
        if not there.exists() or (anchor and anchor not in anchors(there)):
            broken.append(target)
    return broken


def exists(written: str, page: Path) -> bool:
    """Whether a path names a file, from where a reader may think it starts."""
    bases = (ROOT, PACKAGE, page.parent, *(room for room in PACKAGE.iterdir() if room.is_dir()))
    return any((base / written).is_file() for base in bases)


def named(dotted: str) -> bool:
    """Whether a dotted name leads to a module, or to something that its module names."""
    there, parts = PACKAGE, dotted.split(".")[1:]
    for i, part in enumerate(parts):
        if (there / part).is_dir():
            there /= part
            continue
        module = there / f"{part}.py"
        if module.is_file():
            rest, source = parts[i + 1 :], module
        else:
            rest = parts[i:]
            source = next(f for n in ("__init__.pyi", "__init__.py") if (f := there / n).is_file())
        return not rest or re.search(rf"\b{rest[0]}\b", source.read_text("utf-8")) is not None
    return True


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_link_leads_somewhere(page):
    assert broken_links(page) == []


@pytest.mark.parametrize("page", [page for page in PAGES if page not in HISTORY], ids=name_of)
def test_every_file_and_module_that_is_named_exists(page):
    text = text_of(page)
    files = [file for file in FILE.findall(FENCE.sub("", text)) if not exists(file, page)]
    imported = [
        f"{module}.{name}"
        for module, names in IMPORT.findall(text)
        for name in names.replace(" ", "").split(",")
    ]
    modules = [name for name in DOTTED.findall(text) + imported if not named(name)]

    assert (files, modules) == ([], [])


def test_a_link_that_leads_nowhere_is_seen(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("# A title\n[here](#a-title) [gone](gone.md) [no part](#b)\n```\n[x](y)\n```\n")

    assert broken_links(page) == ["gone.md", "#b"]


@pytest.mark.parametrize(
    ("dotted", "there"),
    [
        ("scenesearch.SceneSearch", True),
        ("scenesearch.core.errors", True),
        ("scenesearch.core.errors.SceneSearchError", True),
        ("scenesearch.core.errors.NoSuchError", False),
        ("scenesearch.nowhere", False),
    ],
)
def test_a_name_is_looked_for_where_it_would_be(dotted, there):
    assert named(dotted) is there


def test_every_page_that_code_sends_readers_to_exists():
    sent = {
        (name_of(file), page)
        for file in PACKAGE.rglob("*.py")
        for page in PAGE.findall(text_of(file))
    }

    assert sent
    assert [pair for pair in sorted(sent) if not (ROOT / pair[1]).is_file()] == []


def test_the_architecture_names_every_room():
    text = text_of(ROOT / "docs" / "architecture.md")
    rooms = [p.name for p in PACKAGE.iterdir() if p.is_dir() and not p.name.startswith("_")]

    assert [room for room in rooms if f"`{room}/`" not in text] == []


def test_the_index_leads_to_every_page():
    index = text_of(ROOT / "docs" / "index.md")
    pages = [page.name for page in (ROOT / "docs").glob("*.md") if page.name != "index.md"]

    assert [page for page in pages if f"({page})" not in index] == []


def test_every_decision_is_in_the_index_and_says_what_it_supersedes():
    folder = ROOT / "docs" / "decisions"
    index = text_of(folder / "README.md")
    for area in sorted(folder.glob("[a-z]*.md")):
        for entry in re.split(r"^## ", text_of(area), flags=re.MULTILINE)[1:]:
            title, _, rest = entry.partition("\n")

            assert re.match(r"\d{4}-\d{2}-\d{2}: ", title), title
            assert rest.lstrip().startswith("*Supersedes "), title
            assert f"({area.name}#{slug(title)})" in index, title


@pytest.mark.parametrize("file", SETTINGS)
def test_every_setting_has_a_sentence(file):
    without = []
    for section in ast.parse((PACKAGE / file).read_text(encoding="utf-8")).body:
        if not (isinstance(section, ast.ClassDef) and section.name.endswith("Settings")):
            continue
        for one, after in zip(section.body, [*section.body[1:], None], strict=True):
            said = isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant)
            if isinstance(one, ast.AnnAssign) and not said:
                without.append(f"{section.name}.{ast.unparse(one.target)}")

    assert without == []


def test_classifiers_name_the_python_that_is_run_here():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    versions = [c for c in project["classifiers"] if re.search(r":: 3\.\d+$", c)]

    assert versions == ["Programming Language :: Python :: 3.11"]
