"""Items by tenant: the field of the collection that says whose an item is, see ``docs/tenants.md``.

Everything here asks the store alone, so it does the same in a service and at the command line.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from scenesearch.catalog import RESERVED
from scenesearch.config.service import TENANT
from scenesearch.config.settings import Settings
from scenesearch.core.batches import scroll_all
from scenesearch.core.conditions import Condition, Equals
from scenesearch.core.errors import ConfigError, QueryError
from scenesearch.core.points import is_ours, schema_of
from scenesearch.core.protocols import Inspectable, Store
from scenesearch.index.stored import ids_where
from scenesearch.store.priced import unwrapped


class Holding(NamedTuple):
    """What one tenant has in a collection."""

    tenant: str
    items: int
    points: int


def field_of(settings: Settings) -> str:
    """The field that says whose an item is.

    Raises:
        ConfigError: there is none.
    """
    field = settings.store.tenant_field
    if field is None:
        raise ConfigError(
            "Nothing says whose an item is: expected store.tenant_field, the attribute that does "
            "(store: {tenant_field: tenant}, or SCENESEARCH_STORE__TENANT_FIELD=tenant)"
        )
    return field


def of_tenant(settings: Settings, tenant: str) -> Equals:
    """The condition that an item is a tenant's.

    Raises:
        QueryError: it is no name of a tenant.
        ConfigError: there is no field that says whose an item is.
    """
    if re.fullmatch(TENANT, tenant) is None:
        raise QueryError(
            f"{tenant!r:.100} is no tenant: expected 1 to 64 of a-z, 0-9, - and _, a letter or a "
            "digit first",
            code="bad_tenant",
        )
    return Equals(field_of(settings), tenant)


def counted(store: Store, settings: Settings, tenant: str | None = None) -> list[Holding]:
    """What each tenant has, by name; items of nobody are left out. Reads every point's ids.

    Args:
        store: the collection.
        settings: name the field.
        tenant: only this one's points.

    Raises:
        QueryError: it is no name of a tenant.
        ConfigError: there is no field that says whose an item is.
        StoreError: there is no collection.
    """
    field = field_of(settings)
    if field not in schema_of(store).fields:
        return []
    items: dict[str, set[str]] = {}
    points: dict[str, int] = {}
    where = None if tenant is None else of_tenant(settings, tenant)
    for point in scroll_all(store, where=where, fields=("item_id", field)):
        whose = point.payload.get(field)
        if isinstance(whose, str) and is_ours(point.payload):
            items.setdefault(whose, set()).add(str(point.payload["item_id"]))
            points[whose] = points.get(whose, 0) + 1
    return [Holding(one, len(ids), points[one]) for one, ids in sorted(items.items())]


def index_field(store: Store, settings: Settings) -> str:
    """Give a collection the field that says whose an item is, with its index; the field's name.

    A collection that is made with the setting has both. One that has the field from before has it
    indexed anew, while a server goes on answering.

    Raises:
        ConfigError: there is no field that says whose an item is, or it is no keyword here.
        StoreError: there is no collection, or it cannot be written.
    """
    field = field_of(settings)
    kind = schema_of(store).fields.get(field)
    if kind is None:
        store.add_fields({field: "keyword"})
    elif kind != "keyword":
        raise not_a_keyword(field, kind)
    elif isinstance(inner := unwrapped(store), Inspectable):
        inner.reindex((field,))
    return field


def not_a_keyword(field: str, kind: str) -> ConfigError:
    """The error of a collection in which whose an item is would be compared word by word."""
    return ConfigError(
        f"The field {field!r} (store.tenant_field) is of type {kind} in this collection, expected "
        "keyword: a text is compared word by word. Index into a new collection with "
        "store.tenant_field set"
    )


def exported(store: Store, settings: Settings, tenant: str) -> Iterator[dict[str, Any]]:
    """A tenant's items as JSON values, by id: ``id``, ``attributes`` and the paths of ``photos``.

    Raises:
        QueryError: it is no name of a tenant.
        ConfigError: there is no field that says whose an item is.
        StoreError: there is no collection.
    """
    where: Condition = of_tenant(settings, tenant)
    if field_of(settings) not in schema_of(store).fields:
        return
    for item_id in ids_where(store, where):
        points = sorted(
            scroll_all(store, where=Equals("item_id", item_id)),
            key=lambda point: (int(point.payload.get("photo_index", 0)), point.id),
        )
        if points:
            attributes = points[0].payload
            photos = (str(point.payload["photo"]) for point in points if "photo" in point.payload)
            yield {
                "id": item_id,
                "attributes": {k: v for k, v in attributes.items() if k not in RESERVED},
                "photos": list(dict.fromkeys(photos)),
            }
