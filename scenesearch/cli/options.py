"""Options that several commands share, and what they open."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_args

import typer

from scenesearch.core.errors import CatalogError, QueryError

if TYPE_CHECKING:
    from scenesearch.api import SceneSearch
    from scenesearch.catalog import FeedOptions, OnDuplicate
    from scenesearch.system.ray_cluster import RayOptions

Store = Annotated[
    str,
    typer.Option(
        "--store",
        "-s",
        metavar="PATH|URL",
        envvar=["SCENESEARCH_STORE", "QDRANT_URL"],
        help="Folder of the embedded store, or URL of a Qdrant server, or of several nodes of one "
        "cluster with commas between.",
    ),
]
Collection = Annotated[str, typer.Option("--collection", help="Name of the collection.")]
Config = Annotated[
    str | None,
    typer.Option(
        "--config",
        "-c",
        metavar="FILE|NAME",
        envvar="SCENESEARCH_CONFIG",
        help="YAML file or profile name.",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Data alone on stdout, as JSON.")]
Where = Annotated[
    str | None,
    typer.Option("--where", "-w", help='Filter: "price < 50 and category in (chair, stool)".'),
]
Refine = Annotated[
    list[str] | None,
    typer.Option(
        "--refine",
        "-r",
        help='A turn: "in walnut", "cheaper", "not that brand"; "2: cheaper" for object 2 alone.',
    ),
]
Save = Annotated[
    list[Path] | None,
    typer.Option("--save", "-o", help="Write the answer as .png, .html or .json; repeatable."),
]


CatalogSource = Annotated[
    str,
    typer.Argument(help="A table, a shop's feed or export, a folder of images, or an address."),
]
ImageRoot = Annotated[
    Path | None, typer.Option("--image-root", help="Where image paths start; the file's folder.")
]
OnDuplicateRow = Annotated[
    str, typer.Option("--on-duplicate", help="Two rows of one id: error, first, last or merge.")
]
Column = Annotated[
    list[str] | None,
    typer.Option("--column", "--columns", help="NAME=HEADER where they differ: id=SKU."),
]
Feed = Annotated[
    str | None,
    typer.Option(
        "--feed",
        metavar="NAME",
        help="Layout: google, shopify, plain, ...; else recognised.",
    ),
]
IgnoreColumn = Annotated[
    list[str] | None,
    typer.Option("--ignore-column", metavar="HEADER", help="Leave a column out; repeatable."),
]
Type = Annotated[
    list[str] | None,
    typer.Option("--type", metavar="NAME=TYPE", help="Of an attribute: rating=float; repeatable."),
]
PriceLocale = Annotated[
    str | None,
    typer.Option("--price-locale", metavar="LOCALE", help="How prices are written: de, en, ..."),
]
Vectors = Annotated[
    list[str] | None,
    typer.Option(
        "--vectors",
        metavar="COLUMN",
        help="A column of vectors, that items are compared by as well; repeatable.",
    ),
]
Fetch = Annotated[bool, typer.Option("--fetch", help="Fetch photos that are web addresses.")]
Encoding = Annotated[str | None, typer.Option("--encoding", help="Of a text that is not UTF-8.")]
Delimiter = Annotated[str | None, typer.Option("--delimiter", help="Of a CSV.")]


class Runner(StrEnum):
    """Where photos go through the models."""

    LOCAL = "local"
    RAY = "ray"


OnRay = Annotated[Runner, typer.Option("--runner", help="This machine, or a Ray cluster.")]
RayAddress = Annotated[
    str | None,
    typer.Option(metavar="HOST:PORT", help="Of the cluster; RAY_ADDRESS, else one started."),
]


def ray_cluster(
    runner: Runner, address: str | None, *, decoders: int | None = None
) -> RayOptions | None:
    """The cluster that the options name; None for this machine."""
    from scenesearch.system.ray_cluster import RayOptions

    return RayOptions(address, decoders=decoders) if runner is Runner.RAY else None


def on_duplicate_row(text: str) -> OnDuplicate:
    """What ``--on-duplicate`` says.

    Raises:
        CatalogError: none of the words there are.
    """
    from scenesearch.catalog import OnDuplicate

    if text in get_args(OnDuplicate):
        return text  # type: ignore[return-value]
    raise CatalogError(
        f"--on-duplicate is {text!r}, expected {', '.join(get_args(OnDuplicate))}",
        code="bad_option",
    )


def feed_options(
    feed: str | None,
    ignore_column: Sequence[str] | None,
    types: Sequence[str] | None,
    price_locale: str | None,
    vectors: Sequence[str] | None,
    *,
    fetch: bool = False,
) -> FeedOptions:
    """How a catalogue is read, as the options say.

    Raises:
        CatalogError: a type is none.
    """
    from scenesearch.catalog import FeedOptions
    from scenesearch.core.types import FieldType

    known = get_args(FieldType)
    found = {name: str(kind) for name, kind in assignments(types or ()).items()}
    for name, kind in found.items():
        if kind not in known:
            raise CatalogError(
                f"--type {name}={kind}: expected one of {', '.join(known)}", code="bad_option"
            )
    return FeedOptions(
        feed,
        tuple(ignore_column or ()),
        found,  # type: ignore[arg-type]
        price_locale,
        fetch,
        tuple(vectors or ()),
    )


def open_shop(
    store: str, collection: str, config: str | None, *, scenes: str = "scenes"
) -> SceneSearch:
    """The collections that the shared options name."""
    from scenesearch import wiring
    from scenesearch.api import SceneSearch
    from scenesearch.config.settings import load_settings

    settings = load_settings(config)
    return SceneSearch(
        store,
        collection=collection,
        scenes=scenes,
        config=settings,
        store_process=wiring.is_cramped(settings, store),
    )


def given(**options: Any) -> dict[str, Any]:
    """Only the options that were given, so that the configuration decides the others."""
    return {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in options.items()
        if value is not None and value != []
    }


def assignments(texts: Sequence[str]) -> dict[str, Any]:
    """``NAME=VALUE`` options: values are YAML scalars, so numbers are numbers.

    Raises:
        QueryError: a text is not of that form.
    """
    import yaml

    values: dict[str, Any] = {}
    for text in texts:
        name, found, value = text.partition("=")
        try:
            values[name.strip()] = yaml.safe_load(value) if found else None
        except yaml.YAMLError:
            found = ""
        if not found:
            raise QueryError(f"{text!r}: expected NAME=VALUE", code="unknown_option")
    return values
