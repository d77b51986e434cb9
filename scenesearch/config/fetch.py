"""Whether, from where and how much is fetched."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from scenesearch.core.addresses import in_object_storage


def _endpoint(text: str) -> str:
    if not re.fullmatch(r"(?:\[[0-9A-Fa-f:]+\]|[^:\[\]\s/]+):[1-9][0-9]{0,4}", text):
        raise ValueError(f"{text!r} is no HOST:PORT, such as 127.0.0.1:8000")
    return text


Endpoint = Annotated[str, AfterValidator(_endpoint)]


def _bucket(text: str) -> str:
    if not in_object_storage(text) or not text.partition("://")[2].strip("/"):
        raise ValueError(f"{text!r} is no bucket, such as s3://photos or s3://photos/shoes")
    return text


Bucket = Annotated[str, AfterValidator(_bucket)]


class FetchSettings(BaseModel):
    """Whether photos are fetched from addresses that callers name."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    enabled: bool = False
    """Whether any are."""
    hosts: tuple[str, ...] = ()
    """Only these hosts, and ``*.domain`` for its subdomains; empty for every public one."""
    timeout_s: float = Field(10.0, gt=0, le=120)
    """Seconds for a photo in all: its turn, every redirect, the last byte."""
    max_megabytes: int = Field(40, ge=1, le=1000)
    """Largest photo (10^6 bytes)."""
    max_redirects: int = Field(3, ge=0, le=10)
    """Redirects that are followed; each address is checked like the first."""


class CatalogFetchSettings(FetchSettings):
    """Whether photos of catalogues are fetched, where they are addresses."""

    timeout_s: float = Field(30.0, gt=0, le=600)
    """Seconds for a photo in all: every redirect, the last byte."""
    private: tuple[Endpoint, ...] = ()
    """Hosts that are not public and may be asked all the same, each as ``HOST:PORT``."""
    per_host: int = Field(4, ge=1, le=64)
    """Photos fetched from one host at the same time."""
    tries: int = Field(5, ge=1, le=20)
    """How often a photo is asked for, where a server is busy (429, 503) or breaks off."""
    keep_megabytes: int = Field(0, ge=0, le=100_000_000)
    """Most that fetched photos take on the disk (10^6 bytes), those used longest ago go; 0: any."""
    feed_megabytes: int = Field(4000, ge=1, le=1_000_000)
    """Largest catalogue that is given by its address (10^6 bytes, as it is sent)."""
    feed_timeout_s: float = Field(1800.0, gt=0, le=86_400)
    """Seconds for such a catalogue in all, for each page where it has several."""
    buckets: tuple[Bucket, ...] = ()
    """Object storage that photos of catalogues may lie in (``s3://photos``), or a folder of it;
    they are read from there and not kept."""
    longest_wait_s: float = Field(120.0, ge=0, le=3600)
    """Longest that a server which asks to be left alone (``Retry-After``) is waited for."""
