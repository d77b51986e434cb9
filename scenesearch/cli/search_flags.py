"""The options of a search as flags. Made by ``python tools/options.py``: change nothing here.

They are written down so that the command line can tell what there is without loading the settings.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from scenesearch.cli.flags import weighted

OF_ANSWERS: Mapping[str, Any] = {
    "limit": Annotated[
        int | None,
        typer.Option(
            "--limit",
            "-n",
            help="Matches of the fused list (1 to 1000).",
        ),
    ],
    "preset": Annotated[
        str | None,
        typer.Option(
            "--preset",
            help=(
                "What similar means: weights of the vector spaces by name; exact, similar, "
                "category, style, colour."
            ),
        ),
    ],
    "catalogue_weight": Annotated[
        float | None,
        typer.Option(
            "--catalogue-weight",
            help=(
                "Weight of vectors that came with the catalogue, beside those of a preset: where "
                "an item, or such a vector, is asked with; 0 for none (0 to 100)."
            ),
        ),
    ],
    "expansion": Annotated[
        int | None,
        typer.Option(
            "--expansion",
            help="Neighbours that a query moves towards; 0 for none (0 to 50).",
        ),
    ],
    "diversity": Annotated[
        float | None,
        typer.Option(
            "--diversity",
            help="0 for the best matches, towards 1 for unlike ones (0 to 1).",
        ),
    ],
    "diversity_field": Annotated[
        str | None,
        typer.Option(
            "--diversity-field",
            help="Tell likeness by this field instead of by looks.",
        ),
    ],
    "score_min": Annotated[
        float | None,
        typer.Option(
            "--score-min",
            help="Matches of a lower score are left out; boosts do not count (0 to 1).",
        ),
    ],
    "boosts": Annotated[
        list[str] | None,
        typer.Option(
            "--boost",
            help=(
                "What a filter that holds adds to the similarity, or a field with numbers: its "
                'weight counts log(1 + value) times; "0.05: in_stock = true", "0.02: sales"; '
                "repeatable."
            ),
            metavar="WEIGHT: WHAT",
        ),
        weighted,
    ],
    "collapse": Annotated[
        str | None,
        typer.Option(
            "--collapse",
            help=(
                "Items with the same value of this field are one match that lists the others, by "
                "default those with the very same photo; phash: with nearly the same picture; "
                "item_id: none."
            ),
        ),
    ],
    "facets": Annotated[
        list[str] | None,
        typer.Option(
            "--facet",
            help="Fields whose values are counted over the candidates; repeatable.",
        ),
    ],
    "suggest": Annotated[
        int | None,
        typer.Option(
            "--suggest",
            help=(
                "Turns that are suggested for each list, as refine takes them: values and words "
                "that split its shown matches well; 0 for none (0 to 20)."
            ),
        ),
    ],
    "sort": Annotated[
        str | None,
        typer.Option(
            "--sort",
            help=(
                "Order the fused list, that is the best candidates, by this field; -price for "
                "falling order."
            ),
        ),
    ],
}

OF_PHOTOS: Mapping[str, Any] = {
    "per_region": Annotated[
        int | None,
        typer.Option(
            "--per-region",
            help="Matches of each region's own list (0 to 200).",
        ),
    ],
    "meaning": Annotated[
        float | None,
        typer.Option(
            "--meaning",
            help=(
                "What it adds to the similarity that an item's category, or title, means what the"
                " object was detected as; 0 for none; English names only (0 to 1)."
            ),
        ),
    ],
    "rerank": Annotated[
        int | None,
        typer.Option(
            "--rerank",
            help=(
                "Best items of each object that are compared again, part by part; 0 for none; "
                "needs an embedder of kind: timm (0 to 200)."
            ),
        ),
    ],
}
