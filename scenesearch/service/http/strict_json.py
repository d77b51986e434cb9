"""JSON read strictly: what Python's reader lets through and others would read differently.

Refused: NaN and infinities, numbers that are too large, one name twice in an object, deep nesting,
lone surrogates, a byte order mark, and any encoding but UTF-8.
"""

from __future__ import annotations

import itertools
import json
import math
import re
from email.message import Message
from typing import Any, NoReturn

from starlette.requests import Request

from scenesearch.service.http.problems import ProblemError, clean

DEPTH_MAX = 32
DIGITS_MAX = 40
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")
_HALF = re.compile("[\ud800-\udfff]")


def parse_json(data: bytes, what: str = "the body") -> Any:
    """Read JSON text.

    Args:
        data: UTF-8.
        what: how messages call it.

    Raises:
        ProblemError: ``bad_json``; says where and why, not what was there.

    >>> parse_json(b'{"a": [1, 2.5]}')
    {'a': [1, 2.5]}
    """
    if data.startswith(b"\xef\xbb\xbf"):
        _refuse(what, "it starts with a byte order mark; leave that out")
    try:
        value = json.loads(
            data.decode("utf-8"),
            parse_constant=lambda text: _refuse(what, f"{text} is not JSON"),
            parse_int=lambda text: _integer(text, what),
            parse_float=lambda text: _float(text, what),
            object_pairs_hook=lambda pairs: _object(pairs, what),
        )
    except UnicodeDecodeError as error:
        raise _problem(what, f"byte {error.start} is not UTF-8") from error
    except json.JSONDecodeError as error:
        raise _problem(what, f"{error.msg} at character {error.pos}") from error
    except RecursionError as error:
        raise _too_deep(what) from error
    _check(value, what, texts=_SURROGATE.search(data) is not None)
    return value


def _problem(what: str, why: str) -> ProblemError:
    return ProblemError("bad_json", f"{what} is not JSON as expected: {clean(why, 200)}")


def _too_deep(what: str) -> ProblemError:
    return _problem(what, f"nested deeper than {DEPTH_MAX} levels")


def _refuse(what: str, why: str) -> NoReturn:
    raise _problem(what, why)


def _integer(text: str, what: str) -> int:
    if len(text) > DIGITS_MAX:
        _refuse(what, f"a number of {len(text)} digits, expected at most {DIGITS_MAX}")
    return int(text)


def _float(text: str, what: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        _refuse(what, "a number that is too large")
    return value


def _object(pairs: list[tuple[str, Any]], what: str) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        seen: set[str] = set()
        twice = next(name for name, _ in pairs if name in seen or seen.add(name))  # type: ignore[func-returns-value]
        _refuse(what, f"the name {clean(twice, 40)!r} is there twice in one object")
    return found


def _check(value: Any, what: str, *, texts: bool) -> None:
    """Depth, and whole texts where there may be halves of characters."""
    level = [value]
    for depth in itertools.count():
        following: list[Any] = []
        for one in level:
            if isinstance(one, dict | list) and depth == DEPTH_MAX:
                raise _too_deep(what)
            if isinstance(one, dict):
                following.extend(one.values())
                if texts:
                    following.extend(one)
            elif isinstance(one, list):
                following.extend(one)
            elif texts and isinstance(one, str) and _HALF.search(one):
                _refuse(what, "a text holds half of a surrogate pair")
        if not following:
            return
        level = following


def check_content_type(request: Request) -> None:
    """Let only JSON in UTF-8 through.

    Raises:
        ProblemError: ``unsupported_media_type``, or ``bad_json`` for another charset.
    """
    message = Message()
    message["content-type"] = request.headers.get("content-type", "")
    subtype = message.get_content_subtype()
    is_json = subtype == "json" or subtype.endswith("+json")
    if message.get_content_maintype() != "application" or not is_json:
        raise ProblemError(
            "unsupported_media_type",
            "The body is not of a kind that is read here; expected Content-Type: application/json",
        )
    charset = str(message.get_param("charset", "utf-8")).lower()
    if charset not in {"utf-8", "utf8", "us-ascii"}:
        raise _problem("the body", "its charset is another than utf-8")


async def read_json(request: Request) -> Any:
    """The body of a request as JSON values.

    Raises:
        ProblemError: it is not JSON, or not as :func:`parse_json` wants it.
    """
    check_content_type(request)
    return parse_json(await request.body())
