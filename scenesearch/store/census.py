"""How much a collection holds, kept while nobody writes, and compared when it is opened."""

from __future__ import annotations

import json
from collections.abc import Mapping
from zlib import crc32

from scenesearch.core.types import Census

REPAIR = "scenesearch verify STORE says what is damaged, and with --repair mends it"


def dump_census(census: Census) -> bytes:
    """As one JSON object with a sum."""
    value = census._asdict()
    return json.dumps({**value, "sum": _sum(value)}, indent=1).encode()


def load_census(data: bytes) -> Census:
    """What :func:`dump_census` wrote.

    Raises:
        ValueError: it is not; so do KeyError, TypeError and AttributeError.
    """
    value = json.loads(data)
    if value.pop("sum") != _sum(value):
        raise ValueError("it is not what was written")
    return Census(int(value["points"]), dict(value["vectors"]), dict(value["indexes"]))


def _sum(value: Mapping[str, object]) -> int:
    return crc32(json.dumps(value, sort_keys=True).encode())


def differences(recorded: Census, found: Census) -> list[str]:
    """In words, what is there in another number than it was; empty where nothing is."""
    said = []
    if recorded.points != found.points:
        said.append(f"{found.points} points, of {recorded.points}")
    for what, was, now in (
        ("vectors in the space", recorded.vectors, found.vectors),
        ("points in the index of the field", recorded.indexes, found.indexes),
    ):
        said += [
            f"{now.get(name, 0)} {what} {name!r}, of {was.get(name, 0)}"
            for name in sorted({*was, *now})
            if was.get(name, 0) != now.get(name, 0)
        ]
    return said
