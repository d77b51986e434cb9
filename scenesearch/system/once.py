"""A property that is made once, whichever thread asks first.

:func:`functools.cached_property` lets two threads that ask at the same time both make the value
(since Python 3.12), and two sets of models, or two owners of one store, are one too many.
"""

from __future__ import annotations

from functools import cached_property
from threading import RLock
from typing import Any, TypeVar, overload

T = TypeVar("T")


class once(cached_property[T]):  # noqa: N801 - a decorator, named as the one it stands for
    """As :func:`functools.cached_property`; others wait while one thread makes the value.

    All properties of one object share one lock, which its own thread may take again, so a value
    may be made from others.
    """

    @overload
    def __get__(self, instance: None, owner: type[Any] | None = None) -> once[T]: ...

    @overload
    def __get__(self, instance: object, owner: type[Any] | None = None) -> T: ...

    def __get__(self, instance: object | None, owner: type[Any] | None = None) -> once[T] | T:
        """The value, made now where it is not there yet."""
        if instance is None:
            return self
        # setdefault is atomic, so all threads take the same lock
        with instance.__dict__.setdefault("_once_lock", RLock()):
            return super().__get__(instance, owner)
