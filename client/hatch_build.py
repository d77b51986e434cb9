"""Builds scenesearch-client out of the checkout that it lies in, or out of its own sdist."""

from __future__ import annotations

import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class Sources(BuildHookInterface):  # type: ignore[misc]  # hatchling comes with the build only
    """Makes the package and hands it to the builder."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002
        """Before a wheel or an sdist is made: write the sources, unless they are here."""
        here = Path(self.root)
        if (here / "scenesearch_client").is_dir():
            return  # an sdist, where the builder finds it by its name
        sys.path.insert(0, str(here))
        from sources import write_sources

        self._folder = TemporaryDirectory()
        sources = Path(self._folder.name) / "scenesearch_client"
        write_sources(here.parent / "scenesearch", sources, self.metadata.version)
        # an editable install is a copy too: the sources are edited under other names
        for kind in ("force_include", "force_include_editable"):
            build_data.setdefault(kind, {})[str(sources)] = "scenesearch_client"
