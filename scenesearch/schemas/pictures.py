"""How a picture is asked for."""

from __future__ import annotations

from pydantic import Field

from scenesearch.schemas.base import Asked


class PictureQuery(Asked):
    """How large the picture may be."""

    width: int = Field(
        320, ge=32, le=2048, description="The longer side is at most this many pixels"
    )
