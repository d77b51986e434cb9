"""``scenesearch reproject``."""

from __future__ import annotations

from contextlib import closing

from scenesearch.cli import options, output
from scenesearch.cli.app import app


@app.command()
def reproject(
    store: options.Store = "store",
    collection: options.Collection = "items",
    config: options.Config = None,
    as_json: options.Json = False,
) -> None:
    """Fit the projection anew on what a collection holds, also while a service answers from it.

    For a collection that began with few photos and has none, or has grown since. Photos are not
    embedded again. Stopped at any moment, the same command goes on.
    """
    from scenesearch.api import generations
    from scenesearch.api.opened import Opened
    from scenesearch.config.settings import load_settings

    opened = Opened(store, load_settings(config), collection=collection)
    with closing(opened), output.progress() as progress:
        done = generations.do(opened, "reproject", {}, progress)
    text = (
        f"{done['points']:,} points of {collection!r} have a projection of their own now; "
        f"{done['embedded']} photos were embedded again, {done['seconds']:.1f} s"
    )
    if not as_json:
        output.remarks(done["notes"])
    output.answer(done, text, as_json=as_json)
