"""A look as the JSON text that is sent: the look's own JSON, with pictures by address."""

from __future__ import annotations

import json
from typing import Any

from scenesearch.engine.media import photo_url
from scenesearch.look.as_json import look_values, plain
from scenesearch.look.look import Look


def look_json(
    look: Look, *, query_id: str | None, next_offset: int | None, offset: int, limit: int
) -> str:
    """A look as JSON text, ASCII only.

    Args:
        look: the answer.
        query_id: under which its photo can be asked again.
        next_offset: where the next part of the fused list starts; None at the end.
        offset: matches of the fused list to leave out.
        limit: matches of the fused list to show.
    """
    values = look_values(look, offset=offset, limit=limit, photo_url=photo_url)
    return to_json({"query_id": query_id, **values, "next_offset": next_offset})


def to_json(values: Any) -> str:
    """JSON text of JSON values; numbers that are not finite become null."""
    try:
        return json.dumps(values, allow_nan=False, separators=(",", ":"))
    except ValueError:
        # only attributes can hold such a number, and hardly any catalogue has one
        return json.dumps(plain(values), allow_nan=False, separators=(",", ":"))
