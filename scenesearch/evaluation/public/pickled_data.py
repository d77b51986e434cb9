"""Pickled lists, mappings, texts, numbers and arrays, read as data.

A pickle is a program. This reads its instructions and carries out those that build plain values and
arrays of numbers; whatever else is in it is refused, and nothing is imported, called or looked up
by the names in it. Names that stand for an array's parts are told by their text.
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

MAX_BYTES = 64_000_000
MAX_STEPS = 5_000_000
"""Instructions; a benchmark's ground truth has about a hundred thousand."""
_DEEPEST = 20
_NUMBERS = frozenset({"b1", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f4", "f8"})


class PickledDataError(ValueError):
    """It is no pickle, or one of more than plain data."""


@dataclass(slots=True)
class _Name:
    """A name that a pickle would have looked up."""

    text: str


@dataclass(slots=True)
class _Type:
    """A numpy dtype that is being built."""

    code: str
    order: str = "="


@dataclass(slots=True)
class _Array:
    """A numpy array that is being built."""

    values: NDArray[Any] | None = None


@dataclass(slots=True)
class _Machine:
    stack: list[Any] = field(default_factory=list)
    marks: list[int] = field(default_factory=list)
    memo: dict[int, Any] = field(default_factory=dict)

    def since_mark(self) -> list[Any]:
        start = self.marks.pop()
        found = self.stack[start:]
        del self.stack[start:]
        return found


_ARRAY = frozenset({"numpy.core.multiarray _reconstruct", "numpy._core.multiarray _reconstruct"})
_SCALAR = frozenset({"numpy.core.multiarray scalar", "numpy._core.multiarray scalar"})
_BUFFER = frozenset({"numpy.core.numeric _frombuffer", "numpy._core.numeric _frombuffer"})
_EMPTY_BYTES = frozenset({"__builtin__ bytes", "builtins bytes"})
_MEANT = (
    _ARRAY | _SCALAR | _BUFFER | _EMPTY_BYTES | {"numpy ndarray", "numpy dtype", "_codecs encode"}
)
_CONSTANTS = {
    "NONE": None,
    "NEWTRUE": True,
    "NEWFALSE": False,
}
_VALUES = frozenset(
    {
        *("BININT", "BININT1", "BININT2", "INT", "LONG", "LONG1", "LONG4", "BINFLOAT", "FLOAT"),
        *("BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "UNICODE"),
        *(
            "BINBYTES",
            "SHORT_BINBYTES",
            "BINBYTES8",
            "BYTEARRAY8",
            "STRING",
            "BINSTRING",
            "SHORT_BINSTRING",
        ),
    }
)


def read_pickled_data(data: bytes) -> Any:
    """The value of a pickle of plain data.

    Args:
        data: the file; texts and bytes of Python 2 become text.

    Returns:
        Mappings, lists, tuples, texts, bytes, numbers, None and arrays of numbers.

    Raises:
        PickledDataError: it is none, is larger than a list of pictures could be, or holds more.
    """
    if len(data) > MAX_BYTES:
        raise PickledDataError(f"larger than {MAX_BYTES // 1_000_000} MB")
    try:
        return _plain(_built(data), [0])
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, OverflowError) as error:
        if isinstance(error, PickledDataError):
            raise
        raise PickledDataError(f"no readable pickle: {error}") from error


def _built(data: bytes) -> Any:
    """What is left when all instructions were carried out."""
    machine = _Machine()
    for step, (opcode, argument, _) in enumerate(pickletools.genops(data)):
        if step > MAX_STEPS:
            raise PickledDataError(f"more than {MAX_STEPS:,} instructions")
        if opcode.name == "STOP":
            (value,) = machine.stack
            return value
        _carry_out(machine, opcode.name, argument)
    raise PickledDataError("it ends before its end")


def _carry_out(machine: _Machine, name: str, argument: Any) -> None:
    """One instruction."""
    stack = machine.stack
    if name in _VALUES:
        stack.append(argument)
    elif name in _CONSTANTS:
        stack.append(_CONSTANTS[name])
    elif name in _STEPS:
        _STEPS[name](machine, argument)
    elif name not in ("PROTO", "FRAME"):
        raise PickledDataError(f"it holds more than plain data ({name})")


def _list(machine: _Machine, _: Any) -> None:
    machine.stack.append(machine.since_mark())


def _tuple(machine: _Machine, _: Any) -> None:
    machine.stack.append(tuple(machine.since_mark()))


def _dict(machine: _Machine, _: Any) -> None:
    machine.stack.append(_pairs(machine.since_mark()))


def _short_tuple(count: int) -> Callable[[_Machine, Any], None]:
    def step(machine: _Machine, _: Any) -> None:
        if len(machine.stack) < count:
            raise PickledDataError("no readable pickle: nothing to take")
        found = tuple(machine.stack[len(machine.stack) - count :])
        del machine.stack[len(machine.stack) - count :]
        machine.stack.append(found)

    return step


def _append(machine: _Machine, _: Any) -> None:
    value = machine.stack.pop()
    _whole(machine.stack[-1], list).append(value)


def _appends(machine: _Machine, _: Any) -> None:
    values = machine.since_mark()
    _whole(machine.stack[-1], list).extend(values)


def _set_item(machine: _Machine, _: Any) -> None:
    value, key = machine.stack.pop(), machine.stack.pop()
    _whole(machine.stack[-1], dict)[_key(key)] = value


def _set_items(machine: _Machine, _: Any) -> None:
    values = machine.since_mark()
    _whole(machine.stack[-1], dict).update(_pairs(values))


def _pairs(values: list[Any]) -> dict[Any, Any]:
    return dict(zip(map(_key, values[::2]), values[1::2], strict=True))


def _key(value: Any) -> Any:
    """A key is a text or a number."""
    if not isinstance(value, str | int):
        raise PickledDataError("a key that is neither text nor number")
    return value


def _whole(value: Any, kind: type[Any]) -> Any:
    if type(value) is not kind:
        raise PickledDataError(f"no readable pickle: a {type(value).__name__} is filled")
    return value


def _put(machine: _Machine, number: Any) -> None:
    machine.memo[int(number)] = machine.stack[-1]


def _memoise(machine: _Machine, _: Any) -> None:
    machine.memo[len(machine.memo)] = machine.stack[-1]


def _get(machine: _Machine, number: Any) -> None:
    machine.stack.append(machine.memo[int(number)])


def _name(machine: _Machine, text: Any) -> None:
    if text is None:  # STACK_GLOBAL
        last, first = machine.stack.pop(), machine.stack.pop()
        text = f"{first} {last}"
    if text not in _MEANT:
        raise PickledDataError(f"it names {text!r}, which plain data has no need of")
    machine.stack.append(_Name(text))


def _reduce(machine: _Machine, _: Any) -> None:
    """What would have been a call: an empty array, a type, or bytes that Python 3 wrote for 2."""
    given, called = machine.stack.pop(), machine.stack.pop()
    name = called.text if isinstance(called, _Name) else ""
    if name in _ARRAY:
        machine.stack.append(_Array())
    elif name == "numpy dtype" and str(given[0]) in _NUMBERS:
        machine.stack.append(_Type(str(given[0])))
    elif name in _SCALAR and isinstance(given[0], _Type):
        machine.stack.append(_numbers(given[0], given[1])[0].item())
    elif name in _BUFFER and isinstance(given[1], _Type):
        raw, kind, shape, order = given
        machine.stack.append(_Array(_shaped(_numbers(kind, raw), shape, by_columns=order == "F")))
    elif name in _EMPTY_BYTES and given == ():
        machine.stack.append(b"")
    elif name == "_codecs encode" and isinstance(given[0], str) and given[1] == "latin1":
        machine.stack.append(given[0].encode("latin-1"))
    else:
        raise PickledDataError("it holds more than lists, texts, numbers and arrays of numbers")


def _build(machine: _Machine, _: Any) -> None:
    """The state of an array or of its type."""
    state, built = machine.stack.pop(), machine.stack[-1]
    if isinstance(built, _Type):
        order = state[1]
        if order not in ("<", ">", "|", "="):
            raise PickledDataError(f"numbers in the order {order!r}")
        built.order = order
        return
    if not isinstance(built, _Array) or len(state) != 5 or not isinstance(state[2], _Type):
        raise PickledDataError("it holds more than lists, texts, numbers and arrays of numbers")
    _, shape, kind, by_columns, raw = state
    built.values = _shaped(_numbers(kind, raw), shape, by_columns=bool(by_columns))


def _shaped(values: NDArray[Any], shape: Any, *, by_columns: bool) -> NDArray[Any]:
    if not all(type(n) is int and n >= 0 for n in shape):
        raise PickledDataError(f"an array of the shape {shape}")
    return values.reshape(shape, order="F" if by_columns else "C")


def _numbers(kind: _Type, raw: Any) -> NDArray[Any]:
    data = raw.encode("latin-1") if isinstance(raw, str) else raw
    if not isinstance(data, bytes | bytearray):
        raise PickledDataError("an array without numbers")
    return np.frombuffer(data, np.dtype(f"{kind.order}{kind.code}"))


def _mark(machine: _Machine, _: Any) -> None:
    machine.marks.append(len(machine.stack))


def _empty(kind: type[Any]) -> Callable[[_Machine, Any], None]:
    return lambda machine, _: machine.stack.append(kind())


_STEPS: dict[str, Callable[[_Machine, Any], None]] = {
    "MARK": _mark,
    "EMPTY_LIST": _empty(list),
    "EMPTY_DICT": _empty(dict),
    "EMPTY_TUPLE": _empty(tuple),
    "LIST": _list,
    "DICT": _dict,
    "TUPLE": _tuple,
    "TUPLE1": _short_tuple(1),
    "TUPLE2": _short_tuple(2),
    "TUPLE3": _short_tuple(3),
    "APPEND": _append,
    "APPENDS": _appends,
    "SETITEM": _set_item,
    "SETITEMS": _set_items,
    "PUT": _put,
    "BINPUT": _put,
    "LONG_BINPUT": _put,
    "MEMOIZE": _memoise,
    "GET": _get,
    "BINGET": _get,
    "LONG_BINGET": _get,
    "GLOBAL": _name,
    "STACK_GLOBAL": _name,
    "REDUCE": _reduce,
    "BUILD": _build,
}


def _plain(value: Any, seen: list[int], depth: int = 0) -> Any:
    """What was built, without what stood for its parts.

    Args:
        value: of the machine.
        seen: how many values were, in its one place: a list may be in another one many times.
        depth: of the value.
    """
    seen[0] += 1
    if depth > _DEEPEST or seen[0] > MAX_STEPS:
        raise PickledDataError(f"nested more than {_DEEPEST} deep, or the same many times")
    if isinstance(value, _Array):
        if value.values is None:
            raise PickledDataError("an array without numbers")
        return value.values
    if isinstance(value, _Name | _Type):
        raise PickledDataError("it holds more than lists, texts, numbers and arrays of numbers")
    if isinstance(value, dict):
        return {key: _plain(one, seen, depth + 1) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_plain(one, seen, depth + 1) for one in value)
    return value
