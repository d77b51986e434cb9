"""Addresses: of servers that hold a store, of buckets, and those messages must not give away."""

from __future__ import annotations

import re
from collections.abc import Iterable


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


_OBJECT = re.compile(r"(?!https?:|file:|local:)[a-z][a-z0-9+.-]+://", re.IGNORECASE)


def in_object_storage(text: str) -> bool:
    """Whether a text is the address of something in object storage.

    >>> in_object_storage("s3://bucket/1.jpg"), in_object_storage("https://shop.example/1.jpg")
    (True, False)
    """
    return _OBJECT.match(text) is not None


def in_buckets(address: str, buckets: Iterable[str]) -> bool:
    """Whether something lies in one of these buckets, or folders of buckets.

    >>> in_buckets("s3://photos/2024/1.jpg", ["s3://photos"])
    True
    >>> in_buckets("s3://photos-of-others/1.jpg", ["s3://photos"])
    False
    """
    if ".." in address.split("/"):
        return False  # some kinds of store follow it
    return any(address.startswith(f"{one.rstrip('/')}/") for one in buckets)
