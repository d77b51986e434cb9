"""How the service listens, whom it lets in, and what it lets them cost."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from scenesearch.config.fetch import FetchSettings

Key = Annotated[SecretStr, Field(min_length=16)]


class ServiceSettings(BaseModel):
    """The service. Keys come from the environment, ``SCENESEARCH_SERVICE__READ_KEYS='["..."]'``.

    Or from a file with one in each line: ``SCENESEARCH_SERVICE__READ_KEYS_FILE=PATH``.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    host: str = "127.0.0.1"
    """Address or name to listen at; beyond this machine only with a key."""
    port: int = Field(8080, ge=0, le=65_535)
    """TCP port to listen at; 0 for any that is free."""
    read_keys: tuple[Key, ...] = Field((), repr=False)
    """Keys that may search, each of at least 16 characters; with read keys alone nobody may
    write."""
    write_keys: tuple[Key, ...] = Field((), repr=False)
    """Keys that may change things, and read too. Without any key everything is open, on loopback
    only."""
    allowed_hosts: tuple[str, ...] = ()
    """Values of ``Host`` that are answered, ``*.domain`` for subdomains, ``*`` for any; empty: any,
    but on loopback only its own names."""
    cors_origins: tuple[str, ...] = ()
    """Pages of these origins may ask from a browser, ``*`` for any; none by default."""
    max_body_megabytes: int = Field(45, ge=1, le=1000)
    """Largest body of a request (10^6 bytes); more is answered 413."""
    header_timeout_s: float = Field(10.0, gt=0, le=120)
    """Seconds for the head of a request; the connection is closed then."""
    body_timeout_s: float = Field(30.0, gt=0, le=600)
    """Seconds for the body of a request, from its head on; 408 then."""
    deadline_s: float = Field(30.0, gt=0, le=600)
    """Seconds in which a request whose body is there gets its answer, or 503."""
    queue: int = Field(64, ge=1, le=10_000)
    """Photo queries that wait or run, and inserts likewise; one more is answered 503."""
    light_queue: int = Field(512, ge=1, le=100_000)
    """Likewise for what runs no model over a photo."""
    threads: int = Field(0, ge=0, le=64)
    """Photo queries worked on at once; 0 for one more than there are cores."""
    light_threads: int = Field(12, ge=1, le=64)
    """Likewise for what runs no model over a photo."""
    decoders: int = Field(0, ge=0, le=64)
    """Processes that decode photos; 0 for one a core, at most 8."""
    decode_timeout_s: float = Field(10.0, gt=0, le=120)
    """Seconds for decoding a photo; its process is killed then, and the photo refused."""
    query_ttl_s: float = Field(900.0, ge=0)
    """Seconds after its last use that a photo can be asked again by its query id; 0: never."""
    query_megabytes: int = Field(256, ge=0)
    """Memory (10^6 bytes) for photos that can be asked again, the least recently used out first;
    0 keeps none."""
    drain_s: float = Field(2.0, ge=0, le=60)
    """Seconds after SIGTERM in which what comes is still answered, with ``Connection: close``."""
    state_dir: Path | None = None
    """Folder of jobs, feedback and photos of inserted items and scenes; by default the store's, or
    ``cache_dir`` with a Qdrant server."""
    backup_dir: Path | None = None
    """Folder in which the service makes backups when it is asked to; none: it makes none."""
    log: Literal["text", "json"] = "text"
    """Lines of the log: ``text`` for people, ``json`` an object a line with time, level, message
    and request id."""
    fetch: FetchSettings = FetchSettings()
    """Whether photos are fetched from addresses that callers name."""
