"""Addresses of servers: those that name a store, and those that messages must not give away."""

from __future__ import annotations

import re


def addresses(store: str) -> list[str]:
    """The addresses of a store's name.

    >>> addresses("http://a:6333, http://b:6333")
    ['http://a:6333', 'http://b:6333']
    """
    return [one.strip() for one in store.split(",") if one.strip()]


_ADDRESS = re.compile(r"https?://[^\s'\",;()]*[^\s'\",;():.]")


def without_addresses(text: str) -> str:
    """A message without where servers stand, nor what may stand in their addresses.

    >>> without_addresses("no answer from http://me:secret@10.0.0.7:6333: refused")
    'no answer from the server: refused'
    """
    return _ADDRESS.sub("the server", text)
