"""Write what is made of the options of a search, or check that it is up to date.

``python tools/options.py`` writes the keywords of the front door, the flags of the command line
and docs/options.md; ``python tools/options.py --check`` only compares. docs/openapi.json is made
by ``tools/openapi.py``.
"""

from __future__ import annotations

import json
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic.fields import FieldInfo

from scenesearch.config.options import Offered, Options, bounds, choices, offered
from scenesearch.config.search import SearchOptions, WordWeights
from scenesearch.core.conditions import Condition
from scenesearch.schemas.answering import AnswerOptions

ROOT = Path(__file__).resolve().parents[1]
WIDTH = 100
"""Of a line."""
KEYWORDS = '''\
"""The options of a search as keywords. Made by ``python tools/options.py``: change nothing here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal, TypedDict

if TYPE_CHECKING:
    from scenesearch.config.search import WordWeights
    from scenesearch.core.conditions import Condition


class SearchKeywords(TypedDict, total=False):
    """See docs/options.md; an option that is left out is as the settings have it."""

'''
FLAGS = '''\
"""The options of a search as flags. Made by ``python tools/options.py``: change nothing here.

They are written down so that the command line can tell what there is without loading the settings.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from scenesearch.cli.flags import weighted
'''
PAGE = """\
# The options of a search

Each is a keyword of `SceneSearch.shop_the_look`, `search` and `answer`, a setting under `search:`
(`SCENESEARCH_SEARCH__LIMIT=5` in the environment), and `--set NAME=VALUE` of `scenesearch eval`.
Those with a flag are options of `scenesearch look` and `scenesearch search`; those of the column
*REST* are fields of `/v1/look` and `/v1/search`, with their range where it is narrower there. What
is left out is as the settings have it; what it does to the ranking is in [ranking](ranking.md).

Made by `python tools/options.py` from `scenesearch/config/search.py`; a test compares it.

| option | what | values | default | REST | flag |
|---|---|---|---|---|---|
"""


def _union(kind: Any) -> tuple[Any, ...]:
    return get_args(kind) if get_origin(kind) in (Union, UnionType) else (kind,)


def _plain(kind: Any) -> Any:
    return get_args(kind)[0] if get_origin(kind) is Annotated else kind


def _written(kind: Any) -> str:
    """A type as a caller may give it, as Python text."""
    kind = _plain(kind)
    if kind == Condition:
        return "Condition"
    if len(parts := _union(kind)) > 1:
        return " | ".join(_written(part) for part in parts)
    inner = get_args(kind)
    origin = get_origin(kind)
    if origin is Literal:
        return f"Literal[{', '.join(json.dumps(word) for word in inner)}]"
    if origin is dict:
        return f"Mapping[{_written(inner[0])}, {_written(inner[1])}]"
    if origin is tuple:
        one = _written(inner[0])
        return f"tuple[{one}, ...] | list[{one}]"
    if isinstance(kind, type) and issubclass(kind, Options):
        return f"{kind.__name__} | Mapping[str, float]"
    return "None" if kind is NoneType else str(kind.__name__)


def keywords_text() -> str:
    """scenesearch/config/search_keywords.py."""
    fields = SearchOptions.model_fields
    lines = (f"    {name}: {_written(fields[name].annotation)}" for name in SearchOptions.names())
    return KEYWORDS + "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    """As the formatter would write it."""
    return f"'{text}'" if '"' in text and "'" not in text else json.dumps(text, ensure_ascii=False)


def _lines(text: str) -> str:
    """A text as literals of lines that are not too long."""
    lines = textwrap.wrap(text, 80, drop_whitespace=False)
    return "\n            ".join(map(_quoted, lines))


def _flags(name: str, how: Offered) -> tuple[str, ...]:
    if how.flags is None:
        return ()
    return how.flags or (f"--{name.replace('_', '-')}",)


def _flag(name: str, field: FieldInfo, how: Offered) -> str:
    kind = next(part for part in map(_plain, _union(field.annotation)) if part is not NoneType)
    many, of_weights = get_origin(kind) in (tuple, dict), get_origin(kind) is dict
    kind = str if many or choices(field) else kind
    span, words = bounds(field), choices(field)
    sentence = str(field.description).replace("`", "") + (f" ({_values(field)})" if span else "")
    said = [sentence, how.usage, ", ".join(words), "repeatable" if many else ""]
    arguments = [
        *map(_quoted, _flags(name, how)),
        f"help={_lines('; '.join(part for part in said if part) + '.')}",
        *([f"metavar={_quoted(how.metavar)}"] if how.metavar else []),
    ]
    typed = f"list[{kind.__name__}]" if many else kind.__name__
    parts = [f"{typed} | None", f"typer.Option({', '.join(arguments)})"]
    parts += ["weighted"] if of_weights else []
    return f"    {_quoted(name)}: Annotated[" + _broken(parts, arguments) + "],\n"


def _broken(parts: list[str], arguments: list[str]) -> str:
    """The insides of a type, in as few lines as the formatter would write."""
    inside = "        " + ", ".join(parts)
    if len(inside) <= WIDTH and "\n" not in inside:
        return f"\n{inside}\n    "
    if len(parts[1]) + 9 > WIDTH or "\n" in parts[1]:
        options = f"            {', '.join(arguments)}\n"
        if len(options) > WIDTH + 1 or "\n" in parts[1]:
            options = "".join(f"            {one},\n" for one in arguments)
        parts[1] = f"typer.Option(\n{options}        )"
    return "\n" + "".join(f"        {part},\n" for part in parts) + "    "


def flags_text() -> str:
    """scenesearch/cli/search_flags.py."""
    text = FLAGS
    for table, of_photos in (("OF_ANSWERS", False), ("OF_PHOTOS", True)):
        found = (
            (name, field, offered(field)) for name, field in SearchOptions.model_fields.items()
        )
        flags = (
            _flag(name, field, how)
            for name, field, how in found
            if how is not None and how.flags is not None and how.of_photos is of_photos
        )
        text += f"\n{table}: Mapping[str, Any] = {{\n{''.join(flags)}}}\n"
    return text


def _values(field: FieldInfo) -> str:
    if words := choices(field):
        return ", ".join(f"`{word}`" for word in words)
    if span := bounds(field):
        return f"{span[0]} to {span[1]}"
    return f"`{_written(field.annotation)}`".replace(" | None", "").replace("|", "\\|")


def _rows(model: type[Options], of: str = "") -> Iterator[str]:
    for name in model.names():
        field = model.model_fields[name]
        sent = AnswerOptions.model_fields.get(name) if model is SearchOptions else None
        how = offered(field)
        flags = () if how is None else _flags(name, how)
        narrower = sent is not None and bounds(sent) != bounds(field)
        default = field.default
        shown = "" if default in (None, (), {}) or isinstance(default, Options) else f"`{default}`"
        cells = [
            f"`{of}{name}`",
            str(field.description),
            _values(field),
            shown,
            "" if sent is None else _values(sent) if narrower else "yes",
            " ".join(f"`{flag}`" for flag in flags),
        ]
        yield "| " + " | ".join(cells) + " |"


def page_text() -> str:
    """docs/options.md."""
    rows = (*_rows(SearchOptions), *_rows(WordWeights, WordWeights.group))
    return PAGE + "\n".join(rows) + "\n"


TARGETS = {
    ROOT / "scenesearch/config/search_keywords.py": keywords_text,
    ROOT / "scenesearch/cli/search_flags.py": flags_text,
    ROOT / "docs/options.md": page_text,
}


def main() -> int:
    """Write or check; 1 where a file is not what it should be."""
    texts = {path: make() for path, make in TARGETS.items()}
    if "--check" not in sys.argv[1:]:
        for path, text in texts.items():
            path.write_text(text, encoding="utf-8")
        return 0
    old = [path for path, text in texts.items() if path.read_text(encoding="utf-8") != text]
    for path in old:
        print(f"{path} is out of date: run python tools/options.py", file=sys.stderr)
    return 1 if old else 0


if __name__ == "__main__":
    raise SystemExit(main())
