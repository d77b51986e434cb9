"""The whole look under a budget: one product an object."""

from scenesearch.basket.make import LIST_LENGTH, budget_units, make_baskets, point_ids
from scenesearch.basket.values import Basket, Baskets, Choice, Missing, Other, Unpriced

__all__ = [
    "LIST_LENGTH",
    "Basket",
    "Baskets",
    "Choice",
    "Missing",
    "Other",
    "Unpriced",
    "budget_units",
    "make_baskets",
    "point_ids",
]
