"""Where each setting has its value from: environment, a file with a key, profile, or code."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import BaseModel

from scenesearch.config.environment import BETWEEN, PREFIX
from scenesearch.config.profile_file import read_profile
from scenesearch.config.secret_files import secrets_of
from scenesearch.config.settings import find_profile, load_settings

HIDDEN = "(hidden)"


class Sourced(NamedTuple):
    """A setting as it is.

    Attributes:
        name: with dots between levels.
        value: as JSON has it; of a key whether there is one.
        source: ``default``, ``environment``, ``file`` (with a key), or the path of the profile.
    """

    name: str
    value: Any
    source: str


def settings_with_sources(config: str | Path | None = None) -> list[Sourced]:
    """Every setting, in the order of their description.

    Args:
        config: a profile, by path or name.

    Raises:
        ConfigError: as for :func:`~scenesearch.config.settings.load_settings`.
    """
    settings = load_settings(config)
    path = None if config is None else find_profile(config)
    profile = {} if path is None else read_profile(path)
    secrets = secrets_of(os.environ)
    variables = {name.upper() for name in os.environ}
    found = []
    for names, value in _leaves(settings, ()):
        variable = PREFIX + BETWEEN.join(names).upper()
        levels = [PREFIX + BETWEEN.join(names[:n]).upper() for n in range(1, len(names) + 1)]
        if any(level in variables for level in levels):
            source = "environment"
        elif f"{variable}_FILE" in variables and _has(secrets, names):
            source = "file"
        else:
            source = str(path) if _has(profile, names) else "default"
        secret = "key" in names[-1]
        shown = (HIDDEN if value else value) if secret else value
        found.append(Sourced(".".join(names), shown, source))
    return found


def _leaves(section: BaseModel, above: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    plain = section.model_dump(mode="json")
    for name in type(section).model_fields:
        value = getattr(section, name)
        if isinstance(value, BaseModel):
            yield from _leaves(value, (*above, name))
        else:
            yield (*above, name), plain[name]


def _has(values: Mapping[str, Any], names: tuple[str, ...]) -> bool:
    there: Any = values
    for name in names:
        if not isinstance(there, Mapping) or name not in there:
            return False
        there = there[name]
    return True
