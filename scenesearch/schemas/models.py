"""Which models answer."""

from __future__ import annotations

from typing import Any

from pydantic import ConfigDict

from scenesearch.schemas.base import Sent


class ModelsResponse(Sent):
    """Models by task, with licence and fingerprint, and sizes of the vector spaces."""

    model_config = ConfigDict(extra="allow")

    __pydantic_extra__: dict[str, Any]
