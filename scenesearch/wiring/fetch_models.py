"""Which models a profile needs from a hub, and bringing them."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass

from scenesearch.config.settings import Settings, load_settings
from scenesearch.core.errors import ConfigError
from scenesearch.models.fetching import FetchedFile, fetch_models
from scenesearch.models.hub import Hub
from scenesearch.models.weights import ModelRecord, WeightFinder


@dataclass(frozen=True, slots=True)
class FetchedProfile:
    """What was fetched, and what is to be known of it."""

    files: tuple[FetchedFile, ...]
    notes: tuple[str, ...]


def fetch_profile(
    profile: str,
    *,
    endpoint: str,
    renew: bool = False,
    progress: Callable[[str, int, int], None] = lambda *_: None,
) -> FetchedProfile:
    """Bring what a profile, or one model, needs from a hub; only who asks for it calls this.

    Args:
        profile: name or file of a profile, or name of a model of the manifest.
        endpoint: address of the hub.
        renew: take what the hub has now.
        progress: called with a file, bytes that are there, and of how many.

    Raises:
        ConfigError: there is no such profile or model, or it needs nothing from a hub.
        ModelError: see :func:`~scenesearch.models.fetching.fetch_models`.
    """
    # a model is fetched where it would be looked for without a profile
    manifest = WeightFinder(None).manifest
    if profile in manifest:
        settings, records = load_settings(None), [manifest[profile]]
    else:
        settings = load_settings(profile)
        records = _needed(settings, manifest)
    wanted = [one for one in records if one.hub]
    if not wanted:
        names = ", ".join(sorted({one.profile for one in manifest.values() if one.profile}))
        raise ConfigError(
            f"{profile!r} needs nothing from a model hub; profiles that do: {names}; "
            f"scenesearch models list says where the others come from"
        )
    files = fetch_models(
        wanted,
        settings.weights_dir,
        Hub(endpoint),
        renew=renew,
        min_free_bytes=settings.min_free_megabytes * 1_000_000,
        progress=progress,
    )
    return FetchedProfile(tuple(files), tuple(_notes(settings, records)))


def _needed(settings: Settings, manifest: dict[str, ModelRecord]) -> list[ModelRecord]:
    names = [settings.embedder.weights, *(one.model for one in settings.detectors)]
    return [manifest[name] for name in names if name in manifest]


def _notes(settings: Settings, records: list[ModelRecord]) -> list[str]:
    """What is still missing for a first search."""
    finder = WeightFinder(settings.weights_dir, settings.trusted_sha256)
    notes = [
        f"{one.name} comes from elsewhere: get {one.source} and put it into {settings.weights_dir}"
        for one in records
        if not one.hub and not one.package and finder.locate(one) is None
    ]
    if importlib.util.find_spec("open_clip") is None:
        notes.append(
            "it is exported once, which needs pip install 'scenesearch[models]'; from then on it "
            "runs without"
        )
    return notes
