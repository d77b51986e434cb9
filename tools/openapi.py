"""Write docs/openapi.json, or check that it is what the service says of itself.

``python tools/openapi.py`` writes it; ``python tools/openapi.py --check`` only compares.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from scenesearch.config.settings import Settings
from scenesearch.engine.tasks import Answer, Task
from scenesearch.service.http.app import create_app

TARGET = Path(__file__).resolve().parents[1] / "docs" / "openapi.json"


class _Nothing:
    """Stands where an engine would; describing the API asks it nothing."""

    async def run(self, task: Task, *, deadline_s: float | None = None) -> Answer:
        raise AssertionError(f"asked {task} within {deadline_s} s while the API was described")

    async def close(self) -> None:
        """Nothing to close."""


def openapi() -> dict[str, Any]:
    """What the service says of itself; settings of this machine change nothing in it."""
    return create_app(Settings(), _Nothing()).openapi()


def openapi_text() -> str:
    """As it is committed: sorted names, so that a change shows as one."""
    return json.dumps(openapi(), indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def main() -> int:
    """Write or check; 1 where the file is not what it should be."""
    text = openapi_text()
    if "--check" not in sys.argv[1:]:
        TARGET.write_text(text, encoding="utf-8")
        print(f"{TARGET}: {len(text):,} characters")
        return 0
    if TARGET.read_text(encoding="utf-8") == text:
        return 0
    print(f"{TARGET} is not what the service says: run python tools/openapi.py", file=sys.stderr)
    return 1


if __name__ == "__main__":
    raise SystemExit(main())
