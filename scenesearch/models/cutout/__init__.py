"""Separating an object from its background."""
