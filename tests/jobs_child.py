"""Works off the jobs of a state, as a process of its own that is killed.

``python jobs_child.py FOLDER [ADDRESS]`` prints ``stored ITEM`` for each item, and ends when there
is no job. The store is a file of ids, each written and synced before it is answered.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from scenesearch.engine.tasks import Answer
from scenesearch.service.jobs.runner import JobRunner
from scenesearch.service.state import State


class FileBackend:
    """Keeps ids in a file; an id that is there already is unchanged."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.touch()

    async def run(self, task, *, deadline_s=None, client=None) -> Answer:
        await asyncio.sleep(0.002)
        known = set(self.path.read_text().split())
        outcomes = []
        with self.path.open("a") as file:
            for record in task.records:
                assert len(record.photos[0].data) == 500
                new = record.item_id not in known
                if new:
                    file.write(f"{record.item_id}\n")
                outcomes.append(
                    {"id": record.item_id, "status": "added" if new else "unchanged", "error": None}
                )
            file.flush()
            os.fsync(file.fileno())
        sys.stdout.write(f"stored {len(outcomes)}\n")
        sys.stdout.flush()
        return Answer(outcomes)

    async def close(self) -> None:
        pass


async def main(folder: Path, address: str | None = None) -> None:
    state = State(folder, address=address, min_free_bytes=0)
    runner = JobRunner(state, FileBackend(folder / "ids.txt"))
    runner.start()
    while any(not job.ended for job in state.jobs.page(100)):
        await asyncio.sleep(0.01)
    await runner.stop()
    state.close()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), *sys.argv[2:3]))
