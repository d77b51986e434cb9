"""Keys that lie in files: ``SCENESEARCH_SERVICE__READ_KEYS_FILE=/run/secrets/read_keys``.

What is in the environment of a process is seen by whoever may look at the container; a secret that
is mounted as a file is not. Every setting whose name ends in ``KEY`` or ``KEYS`` can be given so,
and ``service.state``; of several keys there is one in a line, and lines that are empty or begin
with ``#`` are none.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from scenesearch.config.environment import BETWEEN, FILE, PREFIX
from scenesearch.core.errors import ConfigError

_LARGEST = 100_000
SECRET = ("KEY", "KEYS", "SERVICE__STATE")
"""Ends of the names of settings that can lie in files; the last has a password in it."""


def secrets_of(environment: Mapping[str, str]) -> dict[str, Any]:
    """Settings that are named by files, as nested values.

    Args:
        environment: names of variables to their values.

    Raises:
        ConfigError: a file cannot be read or holds no key, or the setting has a value as well.
    """
    found: dict[str, Any] = {}
    for name in sorted(environment):
        if not names_file(name):
            continue
        setting = name[: -len(FILE)]
        upper = setting.upper()
        if setting in environment:
            raise ConfigError(f"The environment: {name} and {setting} are both set; unset one")
        *sections, last = upper.removeprefix(PREFIX).lower().split(BETWEEN)
        keys = _keys(name, Path(environment[name]))
        inner = found
        for section in sections:
            inner = inner.setdefault(section, {})
        if upper.endswith("KEYS"):
            inner[last] = keys
        elif len(keys) == 1:
            inner[last] = keys[0]
        else:
            raise ConfigError(
                f"{name}: {environment[name]} holds {len(keys)} lines, expected one key"
            )
    return found


def names_file(variable: str) -> bool:
    """Whether a variable of the environment names a file with a key.

    >>> [names_file("SCENESEARCH_QDRANT_API_KEY" + end) for end in ("_FILE", "")]
    [True, False]
    """
    upper = variable.upper()
    return upper.startswith(PREFIX) and upper.endswith(tuple(one + FILE for one in SECRET))


def _keys(name: str, path: Path) -> list[str]:
    try:
        with path.open(encoding="utf-8") as file:
            text = file.read(_LARGEST)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"{name}: {path} cannot be read ({error}); expected a file with a key in each line"
        ) from error
    lines = (line.strip() for line in text.splitlines())
    keys = [line for line in lines if line and not line.startswith("#")]
    if not keys:
        raise ConfigError(f"{name}: {path} holds no key; expected one in each line")
    return keys
