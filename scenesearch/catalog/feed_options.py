"""How a catalogue is read, where it does not say so itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from scenesearch.core.types import FieldType


@dataclass(frozen=True, slots=True)
class FeedOptions:
    """How a catalogue is read.

    Attributes:
        layout: of the file (``shopify``, ``google``, ``plain``, ...); recognised by its content
            where None.
        ignore_columns: headers that are left out.
        types: of attributes: ``{"rating": "float"}``; found over the file for the others.
        price_locale: how prices are written (``de``, ``en``), where they do not tell.
        fetch: take photos that are web addresses; who indexes the items fetches them.
        vectors: columns of vectors, each of which becomes a vector space of the collection.
        buckets: take photos that lie in these, ``s3://photos``; who indexes the items reads them.
    """

    layout: str | None = None
    ignore_columns: tuple[str, ...] = ()
    types: Mapping[str, FieldType] = field(default_factory=dict)
    price_locale: str | None = None
    fetch: bool = False
    vectors: tuple[str, ...] = ()
    buckets: tuple[str, ...] = ()
