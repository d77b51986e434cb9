"""Whose items there are: counted, exported, removed, over any store."""

from scenesearch.tenants.whose import (
    Holding,
    counted,
    exported,
    index_field,
    not_a_keyword,
    of_tenant,
    removed,
)

__all__ = ["Holding", "counted", "exported", "index_field", "not_a_keyword", "of_tenant", "removed"]
