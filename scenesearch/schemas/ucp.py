"""What agents ask by the Universal Commerce Protocol; unknown names are ignored, as it says."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from scenesearch.schemas.base import ItemId, Words
from scenesearch.schemas.photos import PhotoSource

MAX_IDS = 100
"""Of a lookup."""
LIMIT_MAX = 50
Amount = Annotated[int, Field(ge=0, le=2**53 - 1)]


class _Asked(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True, strict=True)


class PriceBounds(_Asked):
    """Bounds in minor units of the currency of the context."""

    min: Amount | None = None
    max: Amount | None = None


class Filters(_Asked):
    """What products must be."""

    categories: list[Annotated[str, Field(min_length=1, max_length=512)]] = Field([], max_length=50)
    price: PriceBounds | None = None


class Context(_Asked):
    """What is known of the shopper."""

    currency: Annotated[str, Field(pattern="^[A-Z]{3}$")] | None = None


class Pages(_Asked):
    """Which page."""

    cursor: Annotated[str, Field(min_length=1, max_length=2049)] | None = None
    limit: int = Field(10, ge=1)


class CatalogSearch(_Asked):
    """A search: by a query, by filters, or by a photo."""

    query: Words | None = None
    filters: Filters = Filters()
    context: Context = Context()
    pagination: Pages = Pages()
    photo: PhotoSource | None = None


class CatalogLookup(_Asked):
    """Products by their ids."""

    ids: list[ItemId] = Field(min_length=1)
    filters: Filters = Filters()
    context: Context = Context()


class GetProduct(_Asked):
    """One product by its id."""

    id: ItemId
    filters: Filters = Filters()
    context: Context = Context()


class Agent(_Asked):
    """Who asks."""

    profile: str = Field(min_length=1, max_length=2048)


class Meta(_Asked):
    """What every call says of the protocol."""

    agent: Agent = Field(alias="ucp-agent")


class SearchCall(_Asked):
    """Arguments of ``search_catalog``."""

    meta: Meta
    catalog: CatalogSearch


class LookupCall(_Asked):
    """Arguments of ``lookup_catalog``."""

    meta: Meta
    catalog: CatalogLookup


class ProductCall(_Asked):
    """Arguments of ``get_product``."""

    meta: Meta
    catalog: GetProduct


class RpcRequest(_Asked):
    """A message of JSON-RPC 2.0; without an id it is a notification."""

    jsonrpc: Literal["2.0"]
    method: Annotated[str, Field(max_length=100)]
    params: dict[str, Any] = {}
    id: int | str | None = None
