"""Tenants, as they come."""

from __future__ import annotations

from pydantic import Field

from scenesearch.schemas.base import Sent


class TenantResponse(Sent):
    """What one tenant has."""

    tenant: str
    items: int = Field(ge=0)
    points: int = Field(ge=0, description="Regions of their photos")
    jobs: int = Field(ge=0, description="That are kept, the ones that are done included")
    feedback: int = Field(ge=0, description="That is kept")


class TenantsResponse(Sent):
    """All tenants that have items, by name."""

    tenants: list[TenantResponse]


class TenantRemovedResponse(TenantResponse):
    """What was removed; nothing of the tenant is left but photos of its items, until a start."""
