"""``scenesearch dupes``."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from scenesearch.cli import options, output
from scenesearch.cli.app import app
from scenesearch.core.errors import QueryError


@app.command()
def dupes(
    sources: Annotated[
        list[str] | None,
        typer.Argument(help="Folders, photos, globs, manifests, addresses or '-'."),
    ] = None,
    store: Annotated[
        str | None,
        typer.Option(
            "--store", "-s", metavar="PATH|URL", help="Instead: the photos of a collection."
        ),
    ] = None,
    collection: Annotated[
        str, typer.Option("--collection", help="Name of the collection of photos.")
    ] = "scenes",
    config: options.Config = None,
    distance: Annotated[
        int | None,
        typer.Option(
            "--distance",
            "-d",
            min=0,
            max=24,
            help="Bits that hashes may differ in; 10, or 16 with vectors.",
        ),
    ] = None,
    cosine: Annotated[
        float, typer.Option("--cosine", min=-1.0, max=1.0, help="Least likeness of vectors.")
    ] = 0.95,
    workers: Annotated[int, typer.Option("--workers", min=1, max=64, help="Threads.")] = min(
        8, os.cpu_count() or 1
    ),
    as_json: options.Json = False,
) -> int:
    """Find groups of near-duplicate photos, the largest photo of each first."""
    from scenesearch.cli.photo_sources import PhotoSources
    from scenesearch.scenes.deduplication import find_duplicates, hash_photos

    if bool(sources) == (store is not None):
        raise QueryError(
            "Give photos, or the collection they are in with --store; one of the two",
            code="bad_option",
        )
    failed: list[tuple[str, str]] = []
    with options.open_shop(store or "store", "items", config, scenes=collection) as shop:
        if store is not None:
            photos = shop.hashed_scenes()
        else:
            listed = PhotoSources(sources or (), shop.settings.images)
            photos = list(hash_photos(listed, listed.load, failed, workers=workers))
    groups = find_duplicates(photos, distance=distance, cosine=cosine)
    extra = sum(len(group.photos) - 1 for group in groups)
    if as_json:
        output.data(
            {
                "photos": len(photos),
                "duplicates": extra,
                "groups": [group.to_dict() for group in groups],
                "failures": [{"photo": photo, "reason": reason} for photo, reason in failed],
            }
        )
        return 3 if failed else 0
    output.notes([f"{photo}: {reason}" for photo, reason in failed])
    for group in groups:
        output.line(f"{group.best.source}  {group.best.width} x {group.best.height}")
        for one in group.photos[1:]:
            alike = "the same file" if one.same_file else f"{one.distance} bits"
            alike += ", mirrored" if one.mirrored else ""
            if one.similarity is not None and not one.same_file:
                alike += f", cosine {one.similarity:.3f}"
            output.line(f"    {one.source}  {one.width} x {one.height}  {alike}")
    output.note(f"{len(photos)} photos, {len(groups)} groups, {extra} to spare")
    return 3 if failed else 0
