"""How the service listens, whom it lets in, and what it lets them cost."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, SecretStr

Key = Annotated[SecretStr, Field(min_length=16)]


class FetchSettings(BaseModel):
    """Whether photos are fetched from addresses that callers name."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    enabled: bool = False
    hosts: tuple[str, ...] = ()
    """Only these hosts, and ``*.domain`` for its subdomains; empty for every public one."""
    timeout_s: float = Field(10.0, gt=0, le=120)
    max_megabytes: int = Field(40, ge=1, le=1000)
    max_redirects: int = Field(3, ge=0, le=10)


class ServiceSettings(BaseModel):
    """The service. Keys come from the environment: ``SCENESEARCH_SERVICE__READ_KEYS='["..."]'``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    host: str = "127.0.0.1"
    port: int = Field(8080, ge=0, le=65_535)
    read_keys: tuple[Key, ...] = Field((), repr=False)
    write_keys: tuple[Key, ...] = Field((), repr=False)
    """A write key may read too. Without any key everything is open, on loopback only."""
    allowed_hosts: tuple[str, ...] = ()
    """Values of ``Host`` that are answered; empty: any, but on loopback only its own names."""
    cors_origins: tuple[str, ...] = ()
    """Pages of these origins may ask; none by default."""
    max_body_megabytes: int = Field(45, ge=1, le=1000)
    header_timeout_s: float = Field(10.0, gt=0, le=120)
    body_timeout_s: float = Field(30.0, gt=0, le=600)
    deadline_s: float = Field(30.0, gt=0, le=600)
    """A request gets its answer, or 503, within this time."""
    queue: int = Field(64, ge=1, le=10_000)
    """Photo queries that wait or run; one more is answered 503."""
    light_queue: int = Field(512, ge=1, le=100_000)
    """Likewise for what runs no model over a photo."""
    threads: int = Field(0, ge=0, le=64)
    """Photo queries worked on at once; 0 for one more than there are cores."""
    light_threads: int = Field(12, ge=1, le=64)
    decoders: int = Field(0, ge=0, le=64)
    """Processes that decode photos; 0 for one a core, at most 8."""
    decode_timeout_s: float = Field(10.0, gt=0, le=120)
    query_ttl_s: float = Field(900.0, ge=0)
    """How long a photo can be asked again by its query id."""
    query_megabytes: int = Field(256, ge=0)
    """Memory for photos that can be asked again."""
    drain_s: float = Field(2.0, ge=0, le=60)
    """After SIGTERM new requests are still answered for so long, with ``Connection: close``."""
    state_dir: Path | None = None
    """Jobs, feedback and photos of inserted items; the store's folder by default."""
    fetch: FetchSettings = FetchSettings()
