"""Whose items are: what a tenant writes becomes its own, and replaces nobody else's.

Ids are of the whole collection. So that no tenant learns of another's by trying, a new item of a
tenant has an id that begins with its name and a slash, which no other tenant's does; what is
refused is refused in the same words, whether the id is somebody's or nobody's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from scenesearch.api.opened import Opened
from scenesearch.catalog.attributes import attribute_names
from scenesearch.catalog.records import CellError
from scenesearch.core.batches import scroll_all
from scenesearch.core.conditions import OneOf
from scenesearch.core.errors import CatalogError, ConfigError
from scenesearch.engine.records import Accepted, Reading, Refused
from scenesearch.engine.tasks import ItemRecord, PutItems
from scenesearch.index.stored import as_stored

CODE = "other_tenant"


def owned(task: PutItems, field: str | None) -> tuple[ItemRecord, ...]:
    """The records of a task, each with the tenant as an attribute where it named none.

    Args:
        task: of a tenant, or nobody's.
        field: that says whose an item is.

    Raises:
        ConfigError: the task is of a tenant and there is no such field.
    """
    if task.tenant is None:
        return task.records
    if field is None:
        raise ConfigError("A tenant writes items, and store.tenant_field is not set; set it")
    return tuple(_owned(record, field, task.tenant) for record in task.records)


def _owned(record: ItemRecord, field: str, tenant: str) -> ItemRecord:
    try:
        names = attribute_names(record.attributes)
    except CellError:
        return record  # refused by who reads it
    if field in names.values():
        return record  # checked by what it is kept as
    return replace(record, attributes={**record.attributes, field: tenant})


def checked(opened: Opened, readings: Sequence[Reading], tenant: str | None) -> list[Reading]:
    """The readings, with those refused that would be, or replace, somebody else's.

    Args:
        opened: the collection.
        readings: of records that :func:`owned` gave.
        tenant: who writes; None for who may write everything.
    """
    field = opened.settings.store.tenant_field
    if tenant is None or field is None:
        return list(readings)
    accepted = [one for one in readings if isinstance(one, Accepted)]
    names = as_stored(opened.store, [one.item_id for one in accepted])
    there: dict[str, Any] = {}
    if names and opened.store.schema is not None:
        where = OneOf("item_id", tuple(sorted(set(names.values()))))
        known = field in opened.fields()
        fields = ("item_id", field) if known else ("item_id",)
        for point in scroll_all(opened.store, where=where, fields=fields):
            there[str(point.payload.get("item_id"))] = point.payload.get(field)
    return [
        _checked(one, there.get(names[one.item_id], _NOBODY), field, tenant)
        if isinstance(one, Accepted)
        else one
        for one in readings
    ]


_NOBODY = object()


def _checked(reading: Accepted, owner: Any, field: str, tenant: str) -> Reading:
    said = reading.attributes.get(field)
    if said != tenant:
        return Refused(CODE, _stays(field, said, tenant))
    if owner == tenant or (owner is _NOBODY and reading.item_id.startswith(f"{tenant}/")):
        return reading
    return Refused(
        CODE,
        f"the id {reading.item_id!r:.100} is none of this key's: expected one that begins with "
        f"{tenant + '/'!r}; send the item as {tenant}/ID",
    )


def check_stays(attributes: Mapping[str, Any], field: str | None, tenant: str) -> None:
    """Refuse to give an item away.

    Args:
        attributes: that are to be set, by the names they are kept under.
        field: that says whose an item is.
        tenant: whose it is.

    Raises:
        CatalogError: they name another tenant, or take it off.
    """
    if field is not None and field in attributes and attributes[field] != tenant:
        raise CatalogError(_stays(field, attributes[field], tenant), code=CODE)


def _stays(field: str, said: Any, tenant: str) -> str:
    return f"{field} is {said!r:.100}, expected {tenant!r}, the tenant of this key; leave it out"
