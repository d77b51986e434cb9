"""Make clients of docs/openapi.json with other people's generators, and check that they hold.

``python tools/generated_clients.py FOLDER`` writes ``FOLDER/python`` (openapi-python-client) and
``FOLDER/typescript`` (openapi-typescript), imports every module of the one, and compiles both with
strict types. The commands openapi-python-client, mypy, openapi-typescript and tsc must be on the
PATH.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
DESCRIPTION = ROOT / "docs" / "openapi.json"
NAME = "shop_api"
PYTHON = ("openapi-python-client", "mypy")
TYPESCRIPT = ("openapi-typescript", "tsc")
_CONFIG = """content_type_overrides:
  image/jpeg: application/octet-stream
  application/x-ndjson: application/octet-stream
post_hooks: []
"""
"""That generator knows no pictures, and no lines of JSON."""
_IMPORT_ALL = f"""
import importlib, pkgutil, {NAME}
for module in pkgutil.walk_packages({NAME}.__path__, "{NAME}."):
    importlib.import_module(module.name)
"""
_USAGE = """import type { components, paths } from "./api";

type Look = components["schemas"]["LookResponse"];
type Ask = components["schemas"]["LookRequest"];
type Added = paths["/v1/items"]["post"]["responses"]["201"]["content"]["application/json"];

export const ask = { query_id: "a", words: "in blue", limit: 5 } satisfies Partial<Ask>;
export const first = (look: Look): string | undefined => look.regions[0]?.matches[0]?.item_id;
export const scores = (look: Look): number[] => look.matches.map((match) => match.score ?? 0);
export const photo = (added: Added): string | null | undefined => added.photos[0]?.photo_url;
"""


def missing(commands: tuple[str, ...]) -> list[str]:
    """Which of these commands are not there."""
    return [name for name in commands if shutil.which(name) is None]


def make_python(folder: Path) -> Path:
    """A client in Python, imported and checked; gives the folder to import it from.

    Raises:
        subprocess.CalledProcessError: it is not made, does not import, or its types do not hold.
    """
    folder.mkdir(parents=True)
    config = folder / "config.yaml"
    config.write_text(_CONFIG, encoding="utf-8")
    run(
        *("openapi-python-client", "generate", "--path", str(DESCRIPTION), "--meta", "none"),
        *("--output-path", NAME, "--config", str(config), "--fail-on-warning"),
        cwd=folder,
    )
    run(sys.executable, "-c", _IMPORT_ALL, cwd=folder)
    run("mypy", "--ignore-missing-imports", NAME, cwd=folder)
    return folder


def make_typescript(folder: Path) -> None:
    """Types in TypeScript, and a file that uses them, compiled.

    Raises:
        subprocess.CalledProcessError: they are not made, or do not hold.
    """
    folder.mkdir(parents=True)
    run("openapi-typescript", str(DESCRIPTION), "-o", "api.ts", cwd=folder)
    (folder / "usage.ts").write_text(_USAGE, encoding="utf-8")
    run("tsc", "--noEmit", "--strict", "--noUncheckedIndexedAccess", "usage.ts", cwd=folder)


def run(*command: str, cwd: Path) -> None:
    """Run a command; what it says goes to stderr."""
    subprocess.run(command, cwd=cwd, check=True, stdout=sys.stderr)


def main() -> int:
    """Make and check both; 1 where a command is missing or something does not hold."""
    gone = missing((*PYTHON, *TYPESCRIPT))
    if len(sys.argv) != 2 or gone:
        print(f"usage: {sys.argv[0]} FOLDER; not on the PATH: {gone}", file=sys.stderr)
        return 1
    try:
        make_python(Path(sys.argv[1]) / "python")
        make_typescript(Path(sys.argv[1]) / "typescript")
    except subprocess.CalledProcessError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
