"""Whose items there are: counted, exported, removed, over any store."""

from scenesearch.tenants.whose import Holding, counted, exported, of_tenant, removed

__all__ = ["Holding", "counted", "exported", "of_tenant", "removed"]
