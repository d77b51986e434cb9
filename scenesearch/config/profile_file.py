"""A profile's YAML, read strictly: plain values, each name once, no deeper than settings go.

YAML lets the second of two equal keys win, in silence; and what is nested a thousand deep is no
profile, whatever it is.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from scenesearch.core.errors import ConfigError

DEEPEST = 20
"""Levels of a profile; the settings themselves have five."""


class _Refused(yaml.YAMLError):
    """Readable YAML that is no profile."""


class _Loader(yaml.SafeLoader):
    """The safe loader, and stricter."""

    _depth = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        """Refuse what is too deep, before it is built."""
        self._depth += 1
        if self._depth > DEEPEST:
            event = self.peek_event()  # type: ignore[no-untyped-call]  # types-PyYAML leaves it out
            line = event.start_mark.line + 1
            raise _Refused(
                f"line {line} is more than {DEEPEST} levels deep; settings are at most 5"
            )
        try:
            return super().compose_node(parent, index)
        finally:
            self._depth -= 1

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        """Refuse a key that is there twice."""
        seen: dict[Any, int] = {}
        for key_node, _ in getattr(node, "value", ()):
            if not isinstance(key_node, yaml.ScalarNode):
                continue  # a merge or no text: the safe loader judges it
            line = key_node.start_mark.line + 1
            if key_node.value in seen:
                raise _Refused(
                    f"{key_node.value!r} stands in line {seen[key_node.value]} and again in line "
                    f"{line}; keep one of them"
                )
            seen[key_node.value] = line
        return super().construct_mapping(node, deep)


def read_profile(path: Path) -> dict[str, Any]:
    """The values of a profile, by name.

    Raises:
        ConfigError: it is no readable YAML, no mapping, too deep, or has a key twice.
    """
    try:
        loader = _Loader(path.read_text(encoding="utf-8"))
        try:
            loaded = loader.get_single_data()
        finally:
            loader.dispose()
    except _Refused as error:
        raise ConfigError(f"{path}: {error}") from error
    except (yaml.YAMLError, UnicodeDecodeError, OSError) as error:
        raise ConfigError(f"{path}: not a readable YAML file: {error}") from error
    if loaded is None:
        return {}
    if not isinstance(loaded, dict):
        raise ConfigError(f"{path}: expected settings by name, got a {type(loaded).__name__}")
    return {str(key): value for key, value in loaded.items()}
