"""Backups, as they are asked for and as they came out."""

from __future__ import annotations

from pydantic import BaseModel, Field

from scenesearch.schemas.base import Body


class BackupRequest(Body):
    """Which backup is made."""

    name: str = Field(
        description="Of its folder, in the folder that `service.backup_dir` names",
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$",
        max_length=64,
    )


class BackupResponse(BaseModel):
    """What it came to."""

    name: str
    collections: dict[str, int | None] = Field(
        description="Points of each; null where a server counted none at that moment"
    )
    photos: int
    state: bool
    bytes: int
    seconds: float
