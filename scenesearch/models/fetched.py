"""The user's manifest: what was fetched from a model hub, and by which hash it is known since.

``fetched.json`` in the folder of weights. A hash is the hub's own, written when a file was first
fetched, and holds from then on: for what is loaded, and for what is fetched again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from scenesearch.core.errors import ModelLoadError
from scenesearch.system.whole_file import write_whole

NAME = "fetched.json"
VERSION = 1


@dataclass(frozen=True, slots=True)
class Fetched:
    """One file that was fetched.

    Attributes:
        sha256: of its bytes.
        size: in bytes.
        hub_hash: as the hub gave it: ``sha256:`` of a large file, ``git-sha1:`` of a small one.
        hub: organisation and repository.
        commit: of the repository.
        endpoint: address of the hub.
        fetched_at: date and time, ISO 8601, UTC.
    """

    sha256: str
    size: int
    hub_hash: str
    hub: str
    commit: str
    endpoint: str
    fetched_at: str


def read_fetched(folder: Path) -> dict[str, Fetched]:
    """What was fetched into a folder, by path in it; nothing where nothing was.

    Raises:
        ModelLoadError: the manifest is damaged or of a newer version: what it protects is not
            loaded without it.
    """
    path = folder / NAME
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise _damaged(path, str(error)) from error
    try:
        document: dict[str, Any] = json.loads(text)
        if document["version"] != VERSION:
            raise _damaged(path, f"version {document['version']}, expected {VERSION}")
        return {str(name): Fetched(**one) for name, one in document["files"].items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise _damaged(path, str(error)) from error


def write_fetched(folder: Path, files: Mapping[str, Fetched]) -> None:
    """Replace the manifest.

    Raises:
        OSError: it cannot be written.
    """
    document = {"version": VERSION, "files": {name: asdict(files[name]) for name in sorted(files)}}
    write_whole(folder / NAME, (json.dumps(document, indent=1) + "\n").encode())


def _damaged(path: Path, why: str) -> ModelLoadError:
    return ModelLoadError(
        f"{path}: cannot be read as the list of fetched models ({why}); move it away and run "
        f"scenesearch models fetch again, which asks the hub for its hashes anew",
        code="bad_fetched_models",
    )
