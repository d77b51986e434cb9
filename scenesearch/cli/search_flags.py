"""The options of a search as flags. Made by ``python tools/options.py``: change nothing here.

They are written down so that the command line can tell what there is without loading the settings.
"""

from __future__ import annotations

from scenesearch.cli.flags import Flag

FLAGS = (
    Flag(
        name="limit",
        kind=int,
        flags=("--limit", "-n"),
        help="Matches of the fused list (1 to 1000).",
    ),
    Flag(
        name="per_region",
        kind=int,
        flags=("--per-region",),
        help="Matches of each region's own list (0 to 200).",
        of_photos=True,
    ),
    Flag(
        name="preset",
        kind=str,
        flags=("--preset",),
        help=(
            "What similar means: weights of the vector spaces by name; exact, similar, category, "
            "style, colour."
        ),
    ),
    Flag(
        name="expansion",
        kind=int,
        flags=("--expansion",),
        help="Neighbours that a query moves towards; 0 for none (0 to 50).",
    ),
    Flag(
        name="diversity",
        kind=float,
        flags=("--diversity",),
        help="0 for the best matches, towards 1 for unlike ones (0 to 1).",
    ),
    Flag(
        name="diversity_field",
        kind=str,
        flags=("--diversity-field",),
        help="Tell likeness by this field instead of by looks.",
    ),
    Flag(
        name="score_min",
        kind=float,
        flags=("--score-min",),
        help="Matches less similar than this are left out (-1 to 1).",
    ),
    Flag(
        name="rerank",
        kind=int,
        flags=("--rerank",),
        help=(
            "Best items of each object that are compared again, part by part; 0 for none; needs "
            "an embedder of kind: timm (0 to 200)."
        ),
        of_photos=True,
    ),
    Flag(
        name="boosts",
        kind=list[str],
        flags=("--boost",),
        help=(
            "What a filter that holds adds to the similarity, or a field with numbers: its weight"
            ' counts log(1 + value) times; "0.05: in_stock = true", "0.02: sales"; repeatable.'
        ),
        metavar="WEIGHT: WHAT",
        weighted=True,
    ),
    Flag(
        name="collapse",
        kind=str,
        flags=("--collapse",),
        help=(
            "Items with the same value of this field are one match that lists the others; phash: "
            "items with nearly the same picture."
        ),
    ),
    Flag(
        name="facets",
        kind=list[str],
        flags=("--facet",),
        help="Fields whose values are counted over the candidates; repeatable.",
    ),
    Flag(
        name="sort",
        kind=str,
        flags=("--sort",),
        help="Order the fused list by this field; -price for falling order.",
    ),
)
"""In the order of their declaration."""
