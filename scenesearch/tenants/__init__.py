"""Whose items there are: counted and exported, over any store."""

from scenesearch.tenants.whose import (
    Holding,
    counted,
    exported,
    index_field,
    not_a_keyword,
    of_tenant,
)

__all__ = ["Holding", "counted", "exported", "index_field", "not_a_keyword", "of_tenant"]
