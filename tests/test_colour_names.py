"""The vocabulary, and the nearest word to a colour."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from scenesearch.attributes.lab import rgb_to_lab
from scenesearch.attributes.names import (
    _SYNONYMS,
    VOCABULARY,
    canonical,
    labs_of,
    names_of,
)
from scenesearch.core.errors import QueryError

FAMILIES = (
    *("black", "white", "grey", "beige", "brown", "red"),
    *("pink", "orange", "yellow", "green", "blue", "purple"),
)
FAMILY = {colour.name: colour.family for colour in VOCABULARY}
NAMES = [colour.name for colour in VOCABULARY]


def test_every_word_names_all_its_own_anchors():
    for colour in VOCABULARY:
        assert set(names_of(labs_of(colour.name))) == {colour.name}


def test_words_are_unique_and_every_family_has_one():
    assert len(NAMES) == len(set(NAMES))
    assert {colour.family for colour in VOCABULARY} == set(FAMILIES)
    assert not set(_SYNONYMS) & set(NAMES)
    assert set(_SYNONYMS.values()) <= set(NAMES)


@pytest.mark.parametrize(
    ("rgb", "name"),
    [
        ((255, 0, 0), "red"),
        ((139, 0, 0), "burgundy"),
        ((0, 0, 128), "navy"),
        ((0, 0, 255), "blue"),
        ((0, 128, 0), "green"),
        ((128, 128, 0), "olive"),
        ((0, 128, 128), "teal"),
        ((64, 224, 208), "turquoise"),
        ((255, 165, 0), "orange"),
        ((255, 255, 0), "yellow"),
        ((128, 0, 128), "purple"),
        ((255, 192, 203), "pink"),
        ((139, 69, 19), "brown"),
        ((210, 180, 140), "tan"),
        ((245, 245, 220), "cream"),
        ((255, 255, 255), "white"),
        ((211, 211, 211), "light grey"),
        ((128, 128, 128), "grey"),
        ((80, 80, 80), "dark grey"),
        ((0, 0, 0), "black"),
    ],
)
def test_well_known_colours_get_their_usual_word(rgb, name):
    lab = rgb_to_lab(np.array(rgb, np.uint8))

    assert names_of([lab]) == (name,)


def test_families_agree_with_what_thousands_of_people_answered():
    """The XKCD survey: 'dusty teal green' is a green. Its boundary names cannot all agree."""
    from matplotlib.colors import XKCD_COLORS, to_rgb

    families, pixels = [], []
    for key, hex_ in XKCD_COLORS.items():
        last = key.removeprefix("xkcd:").split()[-1].replace("gray", "grey")
        if last in FAMILIES and "/" not in key:
            families.append(last)
            pixels.append(np.round(np.array(to_rgb(hex_)) * 255))
    found = names_of(rgb_to_lab(np.array(pixels).astype(np.uint8)))
    agreeing = np.mean([FAMILY[name] == want for name, want in zip(found, families, strict=True)])

    assert len(families) > 500
    assert agreeing > 0.84  # 0.86 when this was written


@pytest.mark.parametrize(
    ("written", "word"),
    [("Red", "red"), ("  dark   GRAY ", "dark grey"), ("off-white", "cream"), ("Gold", "mustard")],
)
def test_case_spaces_and_synonyms_do_not_matter(written, word):
    assert canonical(written) == word
    assert np.array_equal(labs_of(written), labs_of(word))


@pytest.mark.parametrize(("text", "hint"), [("turqoise", "turquoise"), ("dark gren", "dark green")])
def test_a_misspelt_colour_offers_near_names(text, hint):
    with pytest.raises(QueryError, match=hint) as caught:
        labs_of(text)
    assert caught.value.code == "unknown_colour"


def test_a_word_near_nothing_lists_the_vocabulary():
    with pytest.raises(QueryError, match="known: black, dark grey"):
        canonical("xxxxxxxx")


@pytest.mark.parametrize("text", ["#12", "#12345", "#gggggg", "#-1-1-1", "#"])
def test_a_bad_hex_colour_is_refused(text):
    with pytest.raises(QueryError, match="hexadecimal"):
        labs_of(text)


def test_short_and_long_hex_mean_the_same():
    assert np.array_equal(labs_of("#f80"), labs_of("#FF8800"))


def test_the_documentation_lists_the_vocabulary():
    text = (Path(__file__).parents[1] / "docs" / "colours.md").read_text(encoding="utf-8")
    for colour in VOCABULARY:
        synonyms = ", ".join(key for key, word in _SYNONYMS.items() if word == colour.name)
        row = f"| {colour.name} | {colour.family} | `#{colour.anchors[0]}` |"
        lines = [line for line in text.splitlines() if line.startswith(row)]

        assert len(lines) == 1, f"docs/colours.md should have one row {row}"
        assert lines[0].endswith(f"| {synonyms} |"), lines[0]
