"""The sources of scenesearch-client, taken out of ``scenesearch.client`` and what that needs.

Every module of the package that importing ``scenesearch.client`` imports is copied, with its name
changed: ``scenesearch.client`` becomes ``scenesearch_client``, what it needs of other rooms lies
beneath it. So there is one source, both distributions can be installed beside each other, and
neither writes a file of the other.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

NAME = "scenesearch_client"
ROOT = "scenesearch.client"
_VERSION = "from scenesearch import __version__"


def write_sources(package: Path, target: Path, version: str) -> None:
    """Write the package ``scenesearch_client``.

    Args:
        package: the folder ``scenesearch`` of a checkout, with LICENSE beside it.
        target: a folder that is made.
        version: of the distribution.

    Raises:
        ValueError: a module names the package in a way that is not copied.
    """
    for module in sorted(modules_of(package)):
        name = renamed(f"{module}.")[:-1].removeprefix(NAME).lstrip(".")
        source = _file(package, module)
        path = target / name.replace(".", "/")
        path = path / "__init__.py" if source.name == "__init__.py" else path.with_suffix(".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        text = renamed(source.read_text(encoding="utf-8"))
        text = text.replace(_VERSION, f"from {NAME}.version import __version__")
        if re.search(r"^\s*(from|import) scenesearch\b", text, re.MULTILINE):
            raise ValueError(f"{source} imports of the package what the client has no copy of")
        path.write_text(text, encoding="utf-8")
    note = '"""The version of the distribution."""\n\n'
    (target / "version.py").write_text(f'{note}__version__ = "{version}"\n', encoding="utf-8")
    (target / "py.typed").touch()
    license_text = (package.parent / "LICENSE").read_text(encoding="utf-8")
    (target / "LICENSE").write_text(license_text, encoding="utf-8")


def modules_of(package: Path) -> set[str]:
    """The modules of the package that importing :data:`ROOT` imports, packages around them too.

    Args:
        package: the folder ``scenesearch``.
    """
    found: set[str] = set()
    waiting = [ROOT]
    while waiting:
        module = waiting.pop()
        if module == "scenesearch" or module in found:
            continue
        found.add(module)
        waiting.append(module.rpartition(".")[0])
        tree = ast.parse(_file(package, module).read_text(encoding="utf-8"))
        waiting += [name for name in _imported(tree.body) if _is_module(package, name)]
    return found


def renamed(text: str) -> str:
    """Text with the package's modules under the names that they have in the distribution.

    >>> renamed("from scenesearch.client.calls import Call; scenesearch.core.errors.QueryError")
    'from scenesearch_client.calls import Call; scenesearch_client.core.errors.QueryError'
    """
    text = re.sub(r"\bscenesearch\.client\b", NAME, text)
    return re.sub(r"\bscenesearch\.(?=(?:config|core|schemas)\.)", f"{NAME}.", text)


def _imported(statements: list[ast.stmt]) -> Iterator[str]:
    """What statements import when they run: nothing that only a type checker reads."""
    for one in statements:
        if isinstance(one, ast.Import):
            yield from (alias.name for alias in one.names)
        elif isinstance(one, ast.ImportFrom) and one.module:
            yield one.module
            yield from (f"{one.module}.{alias.name}" for alias in one.names)


def _is_module(package: Path, name: str) -> bool:
    return name.startswith("scenesearch.") and _file(package, name).is_file()


def _file(package: Path, module: str) -> Path:
    path = package.parent / module.replace(".", "/")
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
