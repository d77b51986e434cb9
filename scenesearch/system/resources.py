"""Where the files that come with the package are: an installed wheel or a checkout."""

from __future__ import annotations

from pathlib import Path

from scenesearch.core.errors import ConfigError

_PACKAGE = Path(__file__).resolve().parents[1]


def resource_dir(name: str) -> Path:
    """The folder ``models`` or ``configs`` that came with this installation.

    Raises:
        ConfigError: neither the wheel's copy nor the checkout's is there.
    """
    for candidate in (_PACKAGE / "_data" / name, _PACKAGE.parent / name):
        if candidate.is_dir():
            return candidate
    raise ConfigError(
        f"The package's folder {name!r} is missing (looked in {_PACKAGE / '_data'} and "
        f"{_PACKAGE.parent}); reinstall scenesearch"
    )
