"""rembg's models without the rest of rembg.

``import rembg`` imports its alpha matting too, which nothing here uses. That is compiled when it is
imported for the first time, which takes most of a minute, and cannot be imported at all where
neither the package's folder nor a home can be written: in a container that is read-only.
"""

from __future__ import annotations

import sys
from functools import cache
from importlib.util import find_spec, module_from_spec
from threading import Lock
from types import ModuleType
from typing import Any

_NAME = "rembg"
_alone = Lock()


@cache
def session_classes() -> tuple[Any, ...]:
    """The classes of all models that rembg has.

    Who imports rembg later, or has before, has all of it.

    Raises:
        ModuleNotFoundError: rembg is not installed.
    """
    with _alone:
        before = _taken_out()
        try:
            if (found := find_spec(_NAME)) is not None:
                # a package that was not run: only what its folder holds
                sys.modules[_NAME] = module_from_spec(found)
            from rembg.sessions import sessions_class

            return tuple(sessions_class)
        finally:
            _taken_out()
            sys.modules.update(before)


def _taken_out() -> dict[str, ModuleType]:
    """Modules of rembg, which are imported anew from now on."""
    names = [name for name in sys.modules if name.partition(".")[0] == _NAME]
    return {name: sys.modules.pop(name) for name in names}
