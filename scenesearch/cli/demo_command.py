"""``scenesearch demo``."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Annotated

import typer

from scenesearch.cli import options, output
from scenesearch.cli.app import app


@app.command()
def demo(
    out: Annotated[Path, typer.Option("--out", "-o", help="Where pictures and pages go.")] = Path(
        "looks"
    ),
    config: options.Config = None,
    as_json: options.Json = False,
) -> None:
    """Index the sample catalogue, search the sample rooms, save what was found."""
    from scenesearch.demo.demo import RIGHT_WITHIN, run_demo

    start = time.perf_counter()
    with (
        tempfile.TemporaryDirectory(prefix="scenesearch-demo-") as folder,
        output.progress() as progress,
    ):
        done = run_demo(out, Path(folder), config=config, progress=progress)
    seconds = time.perf_counter() - start
    if done.own_boxes:
        output.note(
            "this profile has no detector: the rooms are searched by the boxes that come with them"
        )
    if as_json:
        output.data(
            {
                "products": done.products,
                "own_boxes": done.own_boxes,
                "share_right": round(done.share_right, 4),
                "seconds": round(seconds, 1),
                "page": str(done.page),
                "rooms": [
                    {
                        "name": room.name,
                        "right": room.right,
                        "objects": room.objects,
                        "files": [str(file) for file in room.files],
                    }
                    for room in done.rooms
                ],
            }
        )
        return
    for room in done.rooms:
        output.line(f"{room.name}: {room.right} of {room.objects} objects found")
        for number, found in enumerate(room.look.regions, 1):
            best = ", ".join(
                str(match.attributes.get("title", match.item_id)) for match in found.matches[:3]
            )
            output.line(f"  {number}. {best or '; '.join(found.notes)}")
    output.line(
        f"{done.products} products, {len(done.rooms)} rooms, {seconds:.0f} s: the right product "
        f"is among the first {RIGHT_WITHIN} for {done.share_right:.0%} of the objects"
    )
    output.line(f"open {done.page}")
