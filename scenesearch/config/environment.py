"""Variables of the environment that look like settings and are none: refused, not overlooked.

A setting that is misspelt in a file is an error; one that is misspelt in the environment would
leave a service open that was to have keys.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterable, Iterator

from pydantic import BaseModel

from scenesearch.core.errors import ConfigError

PREFIX = "SCENESEARCH_"
BETWEEN = "__"
FILE = "_FILE"
"""Ends the name of a variable that says in which file a key lies."""
_OTHERS = frozenset(
    {
        # options of the command line
        *("CONFIG", "STORE", "KEY"),
        # what docker-compose.yml is filled in with
        *("READ_KEY", "WRITE_KEY", "MODELS", "CATALOGUE", "MEMORY", "QDRANT_MEMORY", "PORT"),
        # what the tests are asked for
        *("FUZZ_EXAMPLES", "SHARED_DATA", "RACES"),
    }
)
_TESTS = "TEST_"
"""Begins what tests give to children."""
_INJECTED = re.compile(
    r"(?P<service>[A-Z0-9_]*?[A-Z0-9]_)??"
    r"(SERVICE_(HOST|PORT(_[A-Z0-9_]+)?)|PORT(_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?)"
)
"""What Kubernetes gives every container beside a Service of this name, or of one that begins
with it (``scenesearch-qdrant``)."""


def check_environment(settings: type[BaseModel], names: Iterable[str]) -> None:
    """Nothing, when every variable with our prefix is a setting.

    Args:
        settings: all of them.
        names: of the variables that there are.

    Raises:
        ConfigError: one is no setting; names the nearest.
    """
    names = sorted(names)
    there = frozenset(names)
    for name in names:
        ours = name.upper().startswith(PREFIX)
        rest = name[len(PREFIX) :].upper()
        if not ours or rest in _OTHERS or rest.startswith(_TESTS):
            continue
        if _known(settings, rest) or _injected(rest, there):
            continue
        if rest.endswith(FILE) and _known(settings, rest.removesuffix(FILE)):
            continue  # config/secret_files.py judges it
        every = list(_names(settings, ""))
        near = difflib.get_close_matches(rest, every, n=2, cutoff=0.6)
        said = " or ".join(PREFIX + one for one in near)
        hint = f"did you mean {said}?" if near else "see docs/options.md for those there are"
        raise ConfigError(
            f"The environment: {name} is no setting; {hint} Levels are parted by two underscores. "
            f"--allow-unknown-env lets unknown ones be (and {PREFIX}ALLOW_UNKNOWN_ENV=true)"
        )


def _injected(rest: str, there: Collection[str]) -> bool:
    found = _INJECTED.fullmatch(rest)
    # two underscores part the levels of settings: SERVICE__PORT misspelt is nobody else's
    if found is None or BETWEEN in rest:
        return False
    service = found["service"]
    # of another Service they come together, so that a name that is misspelt alone is none of these
    return service is None or {
        f"{PREFIX}{service}SERVICE_{one}" for one in ("HOST", "PORT")
    } <= set(there)


def _known(section: type[BaseModel], rest: str) -> bool:
    first, _, more = rest.partition(BETWEEN)
    field = section.model_fields.get(first.lower())
    if field is None:
        return False
    inner = _section(field.annotation)
    # what is inside of a mapping or a list is for whoever reads it to judge
    return not more or inner is None or _known(inner, more)


def _names(section: type[BaseModel], before: str) -> Iterator[str]:
    for name, field in section.model_fields.items():
        inner = _section(field.annotation)
        if inner is None:
            yield before + name.upper()
        else:
            yield from _names(inner, before + name.upper() + BETWEEN)


def _section(kind: object) -> type[BaseModel] | None:
    for one in (kind, *getattr(kind, "__args__", ())):
        if isinstance(one, type) and issubclass(one, BaseModel):
            return one
    return None
