"""How the service listens, whom it lets in, and what it lets them cost."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    field_validator,
    model_validator,
)

from scenesearch.config.fetch import FetchSettings

Key = Annotated[SecretStr, Field(min_length=16)]


Scope = Literal["search", "feedback", "read", "write"]
TENANT = r"^[a-z0-9][a-z0-9_-]{0,63}$"
"""A tenant's name: it stands in filters and before the ids of its items, so it has no quotes, no
slash, and one way to be written."""
TENANT_ROOM = 200
"""Characters of a filter that the condition on a tenant takes."""


class DayLimits(BaseModel):
    """What a key may cost in a day, UTC; 0 for any number of each."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    photos: int = Field(0, ge=0)
    """Photos of looks, baskets, searches, tags and scenes; a photo that is asked again by its
    ``query_id`` is none."""
    searches: int = Field(0, ge=0)
    """Requests that search, whatever they ask with."""
    items: int = Field(0, ge=0)
    """Items sent to be stored, those of jobs included."""


class KeySettings(BaseModel):
    """One key, and what its holder may do."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    key: Key = Field(repr=False)
    """The key itself, of at least 16 characters."""
    scopes: tuple[Scope, ...] = Field(("search",), min_length=1)
    """``search``: look, search, basket, what goes with it, facets, one item, pictures;
    ``feedback``: say what was done with an answer; ``read``: all that changes nothing; ``write``:
    everything."""
    where: str | None = Field(None, min_length=1, max_length=4000)
    """A filter that holds for every answer and cannot be dropped; only with ``search`` and
    ``feedback``."""
    tenant: str | None = Field(None, pattern=TENANT)
    """Whose items it sees and changes, and nobody else's: the value of ``store.tenant_field``."""
    origins: tuple[str, ...] = ()
    """Pages of these origins may use it from a browser (``https://shop.example``), and nobody else;
    empty for anybody. With them a key may be public."""
    expires: AwareDatetime | None = None
    """From this time on it is refused: ``2027-01-31T00:00:00Z``."""
    per_minute: int = Field(0, ge=0, le=1_000_000)
    """Requests a minute, as many at once at most; more are answered 429. 0 for any number."""
    per_day: DayLimits = DayLimits()
    """Photos, searches and items a day."""

    @field_validator("origins")
    @classmethod
    def _are_origins(cls, origins: tuple[str, ...]) -> tuple[str, ...]:
        for one in origins:
            if re.fullmatch(r"https?://[^/?#\s]+", one) is None:
                raise ValueError(
                    f"{one!r} is no origin; expected https://shop.example, without a path"
                )
        return origins

    @model_validator(mode="after")
    def _filter_holds(self) -> Self:
        if self.where is not None and {"read", "write"} & set(self.scopes):
            raise ValueError(
                "a key with a filter (where) may search and give feedback only: lists, jobs and "
                "scenes know no filter; expected scopes of search and feedback, or a tenant"
            )
        if self.tenant is not None and len(self.where or "") > 4000 - TENANT_ROOM:
            raise ValueError(
                f"the filter (where) of a tenant's key has {len(self.where or '')} characters, "
                f"expected at most {4000 - TENANT_ROOM}"
            )
        return self


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
    keys: tuple[KeySettings, ...] = Field((), repr=False)
    """Keys with scopes, a filter, origins, an expiry and limits of their own, a record each; see
    docs/deploy.md."""
    public_photos: bool = False
    """Pictures of items need no key, as on a shop's page; their addresses cannot be guessed."""
    ucp: bool = False
    """Answer agents of shoppers by the Universal Commerce Protocol: ``/.well-known/ucp``."""
    frame_ancestors: tuple[str, ...] = ()
    """Origins whose pages may show the web page in a frame; none by default."""
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
    state: SecretStr | None = Field(None, repr=False)
    """PostgreSQL database of jobs, feedback, looks and limits that several services share,
    ``postgresql://user:password@host/database``; none: a file in ``state_dir``, of one service."""
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

    @field_validator("state")
    @classmethod
    def _is_postgres(cls, state: SecretStr | None) -> SecretStr | None:
        if state is not None and not state.get_secret_value().startswith(
            ("postgresql://", "postgres://")
        ):
            raise ValueError(
                "expected postgresql://user:password@host/database; a folder for a file of this "
                "service alone is state_dir"
            )
        return state

    @field_validator("frame_ancestors")
    @classmethod
    def _are_sources(cls, sources: tuple[str, ...]) -> tuple[str, ...]:
        for one in sources:
            if re.fullmatch(r"https?://[^/?#\s;,']+", one) is None:
                raise ValueError(
                    f"{one!r} is no origin; expected https://shop.example, or https://*.shop.example"
                )
        return sources

    @property
    def guarded(self) -> bool:
        """Whether anybody needs a key."""
        return bool(self.read_keys or self.write_keys or self.keys)

    @property
    def asking_origins(self) -> tuple[str, ...]:
        """Origins whose pages may ask from a browser."""
        return tuple(
            dict.fromkeys([*self.cors_origins, *(o for key in self.keys for o in key.origins)])
        )

    def without_keys(self) -> Self:
        """For an engine, or a service that nobody else reaches."""
        nothing = {"read_keys": (), "write_keys": (), "keys": (), "state": None}
        return self.model_copy(update=nothing)
