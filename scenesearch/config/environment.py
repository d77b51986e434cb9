"""Variables of the environment that look like settings and are none: refused, not overlooked.

A setting that is misspelt in a file is an error; one that is misspelt in the environment would
leave a service open that was to have keys.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator

from pydantic import BaseModel

from scenesearch.core.errors import ConfigError

PREFIX = "SCENESEARCH_"
BETWEEN = "__"
_OTHERS = frozenset(
    {
        # options of the command line
        *("CONFIG", "STORE", "KEY"),
        # what docker-compose.yml is filled in with
        *("READ_KEY", "WRITE_KEY", "MODELS", "MEMORY", "PORT"),
        # what the tests are asked for
        *("FUZZ_EXAMPLES", "SHARED_DATA", "RACES"),
    }
)
_INJECTED = re.compile(
    r"SERVICE_(HOST|PORT(_\w+)?)|PORT(_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?|TEST_\w+"
)
"""What Kubernetes gives every container beside a Service of this name, and tests to children."""


def check_environment(settings: type[BaseModel], names: Iterable[str]) -> None:
    """Nothing, when every variable with our prefix is a setting.

    Args:
        settings: all of them.
        names: of the variables that there are.

    Raises:
        ConfigError: one is no setting; names the nearest.
    """
    for name in sorted(names):
        ours = name.upper().startswith(PREFIX)
        rest = name[len(PREFIX) :].upper()
        if not ours or rest in _OTHERS or _INJECTED.fullmatch(rest) or _known(settings, rest):
            continue
        every = list(_names(settings, ""))
        near = difflib.get_close_matches(rest, every, n=2, cutoff=0.6)
        said = " or ".join(PREFIX + one for one in near)
        hint = f"did you mean {said}?" if near else "see docs/options.md for those there are"
        raise ConfigError(
            f"The environment: {name} is no setting; {hint} Levels are parted by two underscores. "
            f"{PREFIX}ALLOW_UNKNOWN_ENV=true lets unknown ones be"
        )


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
