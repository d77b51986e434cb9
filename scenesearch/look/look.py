"""The answer: which region of the photo found which product, and one list for the whole scene.

The values are :class:`~scenesearch.look.values.LookData`; here they become pictures and files.
What draws lives in :mod:`scenesearch.look.render` and is imported only when it is asked for.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scenesearch.look.as_json import look_values
from scenesearch.look.values import LookData
from scenesearch.system.whole_file import write_whole

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SUFFIXES = (".png", ".html", ".json")
"""What :meth:`Look.save` can write."""


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Look(LookData):
    """The whole answer to one query.

    Attributes:
        scene: the photo, or None for a query by text or by product.
        regions: what was searched, each with its own matches.
        matches: the fused list over all regions, best first.
        facets: by field, values with counts.
        timings_ms: by step.
        notes: what the reader should know, such as filters understood from the text.
        parsed: what was understood of the query's words, or None where it had none.
        total: how long the fused list is, of which ``matches`` is a part.
        refined: the turns of the question, as they were understood.
        suggestions: turns that would split the lists well, those of the fused list first.
    """

    def to_dict(self) -> dict[str, Any]:
        """Everything but the pixels, as JSON values.

        Scores are rounded to 6 decimals and boxes to 2; numbers that are not finite become None;
        values JSON does not know (dates, decimals) become text.

        Returns:
            ``box_format`` (always ``xyxy_px``), ``scene``, ``regions``, ``matches``, ``facets``,
            ``timings_ms``, ``notes``, ``parsed``, ``refined``, ``suggestions``;
            see :mod:`scenesearch.look.as_json`.
        """
        return look_values(self)

    def plot(self) -> Figure:
        """A matplotlib figure: the photo with its regions, and the best matches of each."""
        from scenesearch.look.render.figure import render_figure

        return render_figure(self)

    def save(self, path: str | Path) -> Path:
        """Write the look as a picture, a page or data, replaced whole or not at all.

        Args:
            path: ends in ``.png``, ``.html`` (one file, no outside assets) or ``.json``.

        Returns:
            The path written.

        Raises:
            ValueError: another suffix.
            OSError: the file cannot be written.
        """
        target = Path(path)
        match target.suffix.lower():
            case ".png":
                from scenesearch.look.render.png import png_bytes

                data = png_bytes(self)
            case ".html":
                from scenesearch.look.render.html import render_html

                data = render_html(self).encode("utf-8", "replace")
            case ".json":
                text = json.dumps(self.to_dict(), ensure_ascii=False, allow_nan=False, indent=2)
                # A lone surrogate has no UTF-8; written as \udXXX it is still valid JSON.
                data = text.encode("utf-8", "backslashreplace")
            case suffix:
                raise ValueError(
                    f"cannot save a look to {str(path)!r}: got the suffix {suffix!r}, expected one "
                    f"of {', '.join(SUFFIXES)}; rename the file, or use to_pandas() for tables"
                )
        if not target.resolve().parent.is_dir():
            raise FileNotFoundError(
                f"cannot write {str(path)!r}: there is no folder {str(target.resolve().parent)!r}; "
                f"create it first"
            )
        write_whole(target, data)
        return target

    def _repr_html_(self) -> str:
        from scenesearch.look.render.html import render_html

        return render_html(self, document=False)
