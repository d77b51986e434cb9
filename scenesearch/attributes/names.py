"""The words for colours: a fixed vocabulary, and the nearest word to any CIELAB colour.

Shops sort by a dozen families and describe with about three dozen names. Both are fixed here, so
that a name means the same in every collection. Anchors are sRGB hex, several where a word covers
a wide range (brown, beige). The families are the eleven basic terms of B. Berlin and P. Kay,
"Basic Color Terms" (1969), and beige, which is the largest "colour" of furniture and clothes.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scenesearch.attributes.lab import ciede2000, rgb_to_lab
from scenesearch.core.errors import QueryError


class NamedColour(NamedTuple):
    """One word of the vocabulary.

    Attributes:
        name: lower case, British spelling.
        family: black, white, grey, beige, brown, red, pink, orange, yellow, green, blue or purple.
        anchors: sRGB hex without ``#``; the first is the typical one.
    """

    name: str
    family: str
    anchors: tuple[str, ...]


VOCABULARY = (
    NamedColour("black", "black", ("121212", "2f2f2f", "2b2725", "23262c")),
    NamedColour("dark grey", "grey", ("555555", "4d5156", "565250")),
    NamedColour("grey", "grey", ("808080", "7c8287", "87827d")),
    NamedColour("light grey", "grey", ("b9b9b9", "b2b9bf", "c9c9c9", "bdb9b4")),
    NamedColour("white", "white", ("ffffff", "ededed", "e2e2e2", "f4f1ea")),
    NamedColour("cream", "beige", ("fffdd0", "f5ead0")),
    NamedColour("beige", "beige", ("dfcfae", "e3d5c0", "cfc0a9", "d9cbbd", "cbc2b4", "e0d8ca")),
    NamedColour("tan", "beige", ("c9ab7d", "bfa483", "b59c80")),
    NamedColour("taupe", "brown", ("8c7b6b", "7d7063")),
    NamedColour("light brown", "brown", ("ad8150", "a17a55")),
    NamedColour("brown", "brown", ("7b4a21", "6b4a34", "8a5a3a", "96501e")),
    NamedColour("dark brown", "brown", ("3d2415", "453227", "2f1f18")),
    NamedColour("red", "red", ("d7141a", "f20d0d", "c0282d", "cf3c3c", "f5484c")),
    NamedColour("burgundy", "red", ("800020", "6d1a23", "4f0f18")),
    NamedColour("coral", "pink", ("f6766a", "ee8577")),
    NamedColour("pink", "pink", ("f7b5c7", "e89aa9", "ffc9d3", "d98a94")),
    NamedColour("hot pink", "pink", ("f2388f", "e2307a", "ff69b4")),
    NamedColour("orange", "orange", ("f97b0d", "f58a33", "e2621b", "ff9f1a")),
    NamedColour("peach", "orange", ("ffc79c", "f5b78f")),
    NamedColour("yellow", "yellow", ("ffe119", "f6d33c", "fff15c", "fff799", "f3dc8c", "e8c468")),
    NamedColour("mustard", "yellow", ("cfa21f", "d3a63c", "b38a1f")),
    NamedColour("lime", "green", ("a9e010", "b5d84a", "8cd92b")),
    NamedColour("light green", "green", ("a8dba0", "8fce8a", "bfe0b0")),
    NamedColour("green", "green", ("2f9e41", "4caf50", "1b8a3a", "00c22d", "6fa05a")),
    NamedColour("dark green", "green", ("0f4d2a", "24452f", "1d3a24")),
    NamedColour("olive", "green", ("6f7126", "7c7d4a", "55561f")),
    NamedColour("mint", "green", ("b5efd2", "98e0bd")),
    NamedColour("teal", "green", ("0f7f7a", "1c6b6b", "2b8f85")),
    NamedColour("turquoise", "blue", ("2fc9c4", "40d4d0", "5bbfc4")),
    NamedColour("light blue", "blue", ("a6d0ee", "89bfe6", "bcd9ea", "d2f5fa")),
    NamedColour("blue", "blue", ("1f63c4", "2f86d6", "3a6ea8", "0a3fe0", "5585b5", "0806a8")),
    NamedColour("navy", "blue", ("142850", "1f2f4f", "0d1b45", "000080")),
    NamedColour("violet", "purple", ("7b3fe0", "8a4fd0", "6a30b0")),
    NamedColour("purple", "purple", ("7a2a8c", "6b3f7d", "8f4fa3", "4d1f5c", "b86fe8", "a812b8")),
    NamedColour("lavender", "purple", ("c9b3e6", "b7a1d6", "d9c9ea")),
    NamedColour("magenta", "pink", ("d21fb5", "b8178f", "e84fd0")),
)

_BY_NAME = {colour.name: colour for colour in VOCABULARY}

# What people also write. Metals are named for the colour that a photo of them shows.
_SYNONYMS = {
    "gray": "grey",
    "dark gray": "dark grey",
    "light gray": "light grey",
    "charcoal": "dark grey",
    "anthracite": "dark grey",
    "silver": "light grey",
    "off-white": "cream",
    "ivory": "cream",
    "ecru": "cream",
    "khaki": "tan",
    "camel": "tan",
    "gold": "mustard",
    "dark red": "burgundy",
    "maroon": "burgundy",
    "bordeaux": "burgundy",
    "wine": "burgundy",
    "fuchsia": "hot pink",
    "rose": "pink",
    "light pink": "pink",
    "salmon": "coral",
    "lilac": "lavender",
    "cyan": "turquoise",
    "aqua": "turquoise",
    "sky blue": "light blue",
    "dark blue": "navy",
    "navy blue": "navy",
}


@cache
def _anchors() -> tuple[NDArray[np.float32], tuple[str, ...]]:
    """Every anchor in CIELAB, shape (n, 3), and the name that each belongs to."""
    rgb = [bytes.fromhex(hex_) for colour in VOCABULARY for hex_ in colour.anchors]
    names = tuple(colour.name for colour in VOCABULARY for _ in colour.anchors)
    return rgb_to_lab(np.frombuffer(b"".join(rgb), np.uint8).reshape(-1, 3)), names


def written_names() -> dict[str, str]:
    """Every way to write a colour that is understood, and the word of the vocabulary it means.

    >>> written_names()["sky blue"]
    'light blue'
    """
    return {**{name: name for name in _BY_NAME}, **_SYNONYMS}


def names_of(labs: ArrayLike) -> tuple[str, ...]:
    """The nearest word of the vocabulary to each colour, by CIEDE2000.

    Args:
        labs: CIELAB of shape (n, 3).

    >>> names_of([(53.2, 80.1, 67.2)])
    ('red',)
    """
    anchors, names = _anchors()
    distances = ciede2000(np.asarray(labs)[:, None, :], anchors[None, :, :])  # (n, anchors)
    return tuple(names[index] for index in distances.argmin(axis=1))


def canonical(name: str) -> str:
    """The word of the vocabulary that a written colour means; case and spaces do not count.

    Raises:
        QueryError: the word is unknown; the message offers near ones.

    >>> canonical(" Dark  Gray")
    'dark grey'
    """
    word = " ".join(name.lower().split())
    word = _SYNONYMS.get(word, word)
    if word in _BY_NAME:
        return word
    from difflib import get_close_matches

    near = get_close_matches(word, [*_BY_NAME, *_SYNONYMS], n=3)
    hint = f"did you mean {' or '.join(near)}?" if near else f"known: {', '.join(_BY_NAME)}"
    raise QueryError(
        f"unknown colour {name!r}: expected a name of the vocabulary or a hex colour such as "
        f"#a0522d; {hint}",
        code="unknown_colour",
    )


def labs_of(text: str) -> NDArray[np.float32]:
    """What a written colour can look like: a name, a synonym, ``#rrggbb`` or ``#rgb``.

    Returns:
        CIELAB of shape (n, 3): every anchor of a name, the typical one first; one row for hex.

    Raises:
        QueryError: it is neither; the message offers near names.
    """
    word = text.strip()
    if not word.startswith("#"):
        hexes = _BY_NAME[canonical(word)].anchors
    else:
        digits = word[1:]
        if len(digits) == 3:
            digits = "".join(digit * 2 for digit in digits)
        if len(digits) != 6 or set(digits.lower()) - set("0123456789abcdef"):
            raise QueryError(
                f"bad hex colour {text!r}: expected # and 3 or 6 hexadecimal digits, "
                f"such as #a0522d",
                code="unknown_colour",
            )
        hexes = (digits,)
    return rgb_to_lab(np.frombuffer(bytes.fromhex("".join(hexes)), np.uint8).reshape(-1, 3))
