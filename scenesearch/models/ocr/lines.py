"""Pieces of text in the order a person reads them. Pure arithmetic."""

from __future__ import annotations

from collections.abc import Iterable

from scenesearch.core.types import TextLine


def reading_order(pieces: Iterable[TextLine]) -> tuple[TextLine, ...]:
    """From the top to the bottom, and along each line from left to right.

    A piece is on the line above it when its middle lies within the height of that line's first
    piece. Columns are not told apart: pieces side by side count as one line, as on a price tag.

    Args:
        pieces: in any order.

    >>> shop = TextLine("SHOP", 1.0, (60, 8, 90, 20))
    >>> open_ = TextLine("OPEN", 1.0, (5, 10, 40, 22))
    >>> late = TextLine("till late", 1.0, (5, 30, 80, 40))
    >>> [piece.text for piece in reading_order([late, shop, open_])]
    ['OPEN', 'SHOP', 'till late']
    """
    lines: list[list[TextLine]] = []
    for piece in sorted(pieces, key=lambda piece: (_middle(piece), piece.box[0], piece.text)):
        first = lines[-1][0].box if lines else None
        if first is not None and first[1] <= _middle(piece) < first[3]:
            lines[-1].append(piece)
        else:
            lines.append([piece])
    return tuple(
        piece for line in lines for piece in sorted(line, key=lambda one: (one.box[0], one.text))
    )


def _middle(piece: TextLine) -> float:
    return (piece.box[1] + piece.box[3]) / 2
